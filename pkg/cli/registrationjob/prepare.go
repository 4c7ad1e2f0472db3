package registrationjob

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// prepareFlags are those that only prepare has.
type prepareFlags struct {
	secret   string
	provided []string
}

func newPrepare(j *job) *cobra.Command {
	flags := prepareFlags{}
	cmd := &cobra.Command{
		Use:   "prepare",
		Short: "Generate the parameters that nobody gave",
		Long: `Generate the parameters that nobody gave, such as the password that the system signs in with, and keep them in a
Secret. What is in the Secret already stays as it is: remove a key to have it generated anew.`,
		Example: `  registration-job prepare --connector connector.yaml --secret acme-generated --namespace shop --provided event_user`,
		Args:    cobra.NoArgs,
	}
	cmd.RunE = j.run(func(ctx context.Context) error { return j.prepare(ctx, flags) })
	j.baseFlags(cmd)
	cmd.Flags().StringVar(&flags.secret, "secret", "", "`name` of the Secret")
	cmd.Flags().StringSliceVar(&flags.provided, "provided", nil, "`parameters` that have a value, and are not generated")
	_ = cmd.MarkFlagRequired("secret")
	return cmd
}

// prepared is the result of prepare.
type prepared struct {
	OK bool `json:"ok"`
	// Secret is "<namespace>/<name>"; empty where nothing had to be generated.
	Secret string `json:"secret,omitempty"`
	// Generated names the parameters that got a value now, Kept those that had one.
	Generated []string `json:"generated"`
	Kept      []string `json:"kept"`
}

func (j *job) prepare(ctx context.Context, flags prepareFlags) error {
	data := map[string]secret.Text{}
	for _, name := range slices.Sorted(maps.Keys(j.definition.Parameters)) {
		generate := j.definition.Parameters[name].Generate
		if generate == nil || slices.Contains(flags.provided, name) {
			continue
		}
		value, err := generated(*generate)
		if err != nil {
			return err
		}
		data[name] = value
	}
	out := prepared{OK: true, Generated: []string{}, Kept: []string{}}
	if len(data) > 0 {
		client, err := j.newKube()
		if err != nil {
			return err
		}
		out.Secret = j.namespace + "/" + flags.secret
		if out.Generated, err = client.EnsureSecret(ctx, kube.Secret(j.namespace, flags.secret), data, j.labels()); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(data)) {
			if !slices.Contains(out.Generated, name) {
				out.Kept = append(out.Kept, name)
			}
		}
	}
	return j.printPrepared(out)
}

func (j *job) printPrepared(out prepared) error {
	text := "nothing to generate\n"
	if out.Secret != "" {
		text = fmt.Sprintf("secret %s: generated %s, kept %s\n", out.Secret, names(out.Generated), names(out.Kept))
	}
	j.terminate(text)
	if j.output == outputJSON {
		return json.NewEncoder(j.streams.Out).Encode(out) //nolint:gosec // the Secret's name, not what it holds
	}
	_, err := fmt.Fprint(j.streams.Out, text)
	return err
}

func names(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

const (
	alphabet      = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	defaultLength = 32
)

// generated makes a value from the system's source of randomness.
func generated(g connector.Generate) (secret.Text, error) {
	length := g.Length
	if length <= 0 {
		length = defaultLength
	}
	value := []byte(g.Prefix)
	for range length {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return secret.Text{}, fmt.Errorf("no randomness: %w", err)
		}
		value = append(value, alphabet[i.Int64()])
	}
	return secret.New(string(value)), nil
}
