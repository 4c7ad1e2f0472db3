package registrationjob

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

func newDelete(j *job) *cobra.Command {
	keep := false
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Take back everything that this installation registered",
		Long: `Take back everything that this installation registered: services, their Secrets, the Application if this
program made it and nobody else uses it, webhooks at the system, and the installation's own Secrets.

Goes on after a failure and always succeeds, so that it never keeps anybody from removing a release. What it could
not remove is printed, webhooks with the system's ids. The installation's own Secrets and its status ConfigMap go in
any case but one: where something of the installation is left in the cluster, the status ConfigMap says what.`,
		Example: `  registration-job delete --connector connector.yaml --params params.yaml --instance shop/acme \
    --namespace shop --state-secret acme-state --generated-secret acme-generated --status-configmap acme-status`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := j.check(); err != nil {
			return cli.Config(err)
		}
		if err := j.run(func(ctx context.Context) error { return j.delete(ctx, keep) })(cmd, args); err != nil {
			// It may not stop the removal of a release.
			j.log.Error("nothing was removed", "error", err)
		}
		return nil
	}
	j.baseFlags(cmd)
	j.kymaFlags(cmd)
	cmd.Flags().BoolVar(&keep, "keep-generated", false, "keep the Secret with generated parameters, for another installation of the same name")
	return cmd
}

// objectsTimeout is the time for removing the installation's own objects, even where a system that hangs took all the rest.
const objectsTimeout = 15 * time.Second

func (j *job) delete(ctx context.Context, keepGenerated bool) error {
	removal := registration.NewRemoval(j.definition.Metadata.Name, j.instance)
	var client *kube.Client
	application, err := j.applicationToLeave()
	if err != nil {
		removal.Failed("services", err)
	} else {
		removal.Application = application
		kyma, err := j.connect(ctx, application, true)
		if err != nil {
			removal.Failed("services of Application "+application, err)
		} else {
			client, removal.Detected = kyma.client, kyma.found.Findings
			removal.Services(ctx, kyma.catalog)
		}
	}
	if client == nil && j.hasObjects() {
		if client, err = j.newKube(); err != nil {
			removal.Failed("the installation's own Secrets", err)
		}
	}
	inside := len(removal.Left)
	j.removeWebhooks(ctx, client, removal)
	outside := len(removal.Left) - inside
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), objectsTimeout)
	defer cancel()
	if client != nil {
		j.removeObjects(ctx, client, removal, keepGenerated)
	}
	removal.Finish(j.redact.Redact)
	// What is left at the system is no reason to leave something here: nobody would come back for it.
	if len(removal.Left) == outside {
		j.removeStatus(ctx, client, removal)
	}
	if len(removal.Left) > outside {
		j.keepStatus(ctx, client, kube.Known{}, removal)
	}
	return j.print(removal)
}

// applicationToLeave needs only the parameters that name the Application: others may be gone already, or be wrong.
func (j *job) applicationToLeave() (string, error) {
	given := map[string]string{}
	var unread error
	for _, place := range j.params {
		values, err := j.definition.ReadValues(place)
		unread = errors.Join(unread, err)
		maps.Copy(given, values)
	}
	texts := make([]secret.Text, 0, len(given))
	for name, parameter := range j.definition.Parameters {
		value, ok := given[name]
		switch {
		case ok && parameter.Kind == connector.KindSecret:
			texts = append(texts, secret.New(value))
		case !ok && unread == nil: // else it is not known whether it has a value
			given[name] = parameter.Default
		default:
			given[name] = strings.TrimSpace(value)
		}
	}
	j.setRedactor(secret.NewRedactor(texts...))
	name, err := registration.ApplicationName(j.definition, expression.Input{Params: given})
	if err != nil && unread != nil {
		return "", &registration.ConfigError{What: "the parameters cannot be read", Next: "give the one that names the Application by --params", Err: unread}
	}
	return name, err
}

// hasObjects says whether the flags name objects beside the release.
func (j *job) hasObjects() bool {
	return j.stateSecret != "" || j.generatedSecret != "" || j.statusConfigMap != ""
}

// removeObjects removes the installation's own Secrets.
func (j *job) removeObjects(ctx context.Context, client *kube.Client, removal *registration.Removal, keepGenerated bool) {
	names := []string{j.stateSecret}
	if !keepGenerated {
		names = append(names, j.generatedSecret)
	}
	for _, name := range names {
		if name != "" {
			j.removeObject(ctx, client, removal, "secret", kube.Secret(j.namespace, name))
		}
	}
}

func (j *job) removeStatus(ctx context.Context, client *kube.Client, removal *registration.Removal) {
	if client != nil && j.statusConfigMap != "" {
		j.removeObject(ctx, client, removal, "configmap", kube.ConfigMap(j.namespace, j.statusConfigMap))
		removal.Finish(j.redact.Redact)
	}
}

func (j *job) removeObject(ctx context.Context, client *kube.Client, removal *registration.Removal, kind string, ref kube.Ref) {
	foreign := false
	removed, err := client.Remove(ctx, ref, func(current *unstructured.Unstructured) bool {
		foreign = current.GetLabels()["app.kubernetes.io/managed-by"] != j.labels()["app.kubernetes.io/managed-by"]
		return !foreign
	})
	what := kind + " " + ref.Namespace + "/" + ref.Name
	switch {
	case err != nil:
		removal.Failed(what, err)
	case foreign:
		// It has the name, but not our label.
		removal.Failed(what, &registration.ConfigError{What: "it was not made by this program", Next: "remove it by hand, if nobody needs it"})
	case removed:
		removal.Done(what)
	}
}
