package helm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint/support"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/endpoints/deprecation"
	"k8s.io/client-go/kubernetes/scheme"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonvalue"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/plainyaml"
)

var (
	crdHook     = regexp.MustCompile(`"?helm\.sh/hook"?:\s+crd-install`)
	releaseTime = regexp.MustCompile(`\.Release\.Time`)
)

// lintTemplates says what Helm's rule for templates says. Helm's own registers all types of Kubernetes anew for
// each object, which takes longer than everything else together; a test compares the two.
func lintTemplates(linter *support.Linter, c *chart.Chart, values map[string]any, version *chartutil.Capabilities) {
	const at = "templates/"
	if chartutil.ProcessDependenciesWithMerge(c, values) != nil {
		return
	}
	values, err := chartutil.CoalesceValues(c, values)
	if err != nil {
		return
	}
	options := chartutil.ReleaseOptions{Name: lintRelease, Namespace: lintNamespace}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = version.KubeVersion
	top, err := chartutil.ToRenderValues(c, values, options, capabilities)
	if !linter.RunLinterRule(support.ErrorSev, at, err) {
		return
	}
	rendered, err := engine.Engine{LintMode: true}.Render(c, top)
	if !linter.RunLinterRule(support.ErrorSev, at, err) {
		return
	}
	lintRendered(linter, c, rendered, version.KubeVersion, &linted{})
}

// The release that Helm's linter renders.
const lintRelease, lintNamespace = "test-release", "default"

// lintRendered says what Helm's rule says of rendered templates.
func lintRendered(linter *support.Linter, c *chart.Chart, rendered map[string]string, version chartutil.KubeVersion, known *linted) {
	for _, template := range c.Templates {
		if !lintTemplate(linter, template, rendered[path.Join(c.Name(), template.Name)], version, known) {
			return
		}
	}
}

// linted remembers objects by the documents that they were read from. It is safe for concurrent use.
type linted struct {
	mu    sync.Mutex
	known map[string]*lintedObject
}

// objects reads the documents of a rendered file one by one.
func (l *linted) objects(rendered string) func() (*lintedObject, error) {
	if strings.HasPrefix(strings.TrimSpace(rendered), "{") {
		decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(rendered), 4096)
		return func() (o *lintedObject, err error) {
			err = decoder.Decode(&o)
			return o, err
		}
	}
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(rendered)))
	return func() (*lintedObject, error) {
		document, err := reader.Read()
		if err != nil {
			return nil, err
		}
		return l.object(document)
	}
}

func (l *linted) object(document []byte) (*lintedObject, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, known := l.known[string(document)]; known {
		return o, nil
	}
	var o *lintedObject
	if object, plain := plainyaml.Parse(string(document)); !plain || !jsonvalue.Fill(object, &o) {
		o = nil
		if err := sigsyaml.Unmarshal(document, &o); err != nil {
			return nil, err
		}
	}
	if l.known == nil {
		l.known = map[string]*lintedObject{}
	}
	l.known[string(document)] = o
	return o, nil
}

// lintTemplate checks one template; false means that Helm looks no further.
func lintTemplate(linter *support.Linter, template *chart.File, rendered string, version chartutil.KubeVersion, known *linted) bool {
	check := func(severity int, err error) bool { return linter.RunLinterRule(severity, template.Name, err) }
	check(support.ErrorSev, checkExtension(template.Name))
	if crdHook.Match(template.Data) {
		check(support.WarningSev, errors.New("manifest is a crd-install hook. This hook is no longer supported in v3 and all CRDs should also exist the crds/ directory at the top level of the chart"))
	}
	if releaseTime.Match(template.Data) {
		check(support.ErrorSev, errors.New(".Release.Time has been removed in v3, please replace with the `now` function in your templates"))
	}
	if path.Ext(template.Name) != ".yaml" || strings.TrimSpace(rendered) == "" {
		return true
	}
	check(support.WarningSev, checkIndent(rendered))
	for read := known.objects(rendered); ; {
		o, err := read()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return check(support.ErrorSev, fmt.Errorf("unable to parse YAML: %w", err))
		}
		if o == nil {
			continue
		}
		check(support.WarningSev, o.checkName())
		check(support.WarningSev, o.checkAPI(version))
		check(support.ErrorSev, o.checkSelector(rendered))
		check(support.ErrorSev, o.checkList(rendered))
	}
}

func checkExtension(name string) error {
	switch ext := path.Ext(name); ext {
	case ".yaml", ".yml", ".tpl", ".txt":
		return nil
	default:
		return fmt.Errorf("file extension '%s' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt", ext)
	}
}

func checkIndent(rendered string) error {
	for line := range strings.Lines(rendered) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "":
		case line[0] == ' ' || line[0] == '\t':
			return fmt.Errorf("document starts with an illegal indent: %q, which may cause parsing problems", line)
		default:
			return nil
		}
	}
	return nil
}

// lintedObject is what the rules read of an object.
type lintedObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
}

func (o *lintedObject) checkName() error {
	check := validation.NameIsDNSSubdomain
	switch strings.ToLower(o.Kind) {
	case "service":
		check = validation.NameIsDNS1035Label
	case "namespace":
		check = validation.ValidateNamespaceName
	case "serviceaccount":
		check = validation.ValidateServiceAccountName
	case "certificatesigningrequest":
		return nil
	case "role", "clusterrole", "rolebinding", "clusterrolebinding":
		check = func(name string, _ bool) []string { return content.IsPathSegmentName(name) }
	}
	var wrong field.ErrorList
	for _, message := range check(o.Metadata.Name, false) {
		wrong = append(wrong, field.Invalid(field.NewPath("metadata").Child("name"), o.Metadata.Name, message))
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("object name does not conform to Kubernetes naming requirements: %q: %w", o.Metadata.Name, wrong.ToAggregate())
}

func (o *lintedObject) checkAPI(version chartutil.KubeVersion) error {
	if o.APIVersion == "" || o.Kind == "" {
		return nil
	}
	kind := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	object, err := scheme.Scheme.New(kind)
	if err != nil {
		return nil //nolint:nilerr // none of Kubernetes' own kinds
	}
	object.GetObjectKind().SetGroupVersionKind(kind)
	major, err := strconv.Atoi(version.Major)
	if err != nil {
		return err
	}
	minor, err := strconv.Atoi(version.Minor)
	if err != nil {
		return err
	}
	if !deprecation.IsDeprecated(object, major, minor) {
		return nil
	}
	return errors.New(deprecation.WarningMessage(object))
}

func (o *lintedObject) checkSelector(rendered string) error {
	switch o.Kind {
	case "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet":
		if !strings.Contains(rendered, "matchLabels") && !strings.Contains(rendered, "matchExpressions") {
			return fmt.Errorf("a %s must contain matchLabels or matchExpressions, and %q does not", o.Kind, o.Metadata.Name)
		}
	}
	return nil
}

func (o *lintedObject) checkList(rendered string) error {
	if o.Kind != "List" {
		return nil
	}
	var list struct {
		Items []struct {
			Metadata struct{ Annotations map[string]string }
		}
	}
	if err := sigsyaml.Unmarshal([]byte(rendered), &list); err != nil {
		return fmt.Errorf("unable to parse YAML: %w", err)
	}
	for _, item := range list.Items {
		if _, kept := item.Metadata.Annotations["helm.sh/resource-policy"]; kept {
			return errors.New("Annotation 'helm.sh/resource-policy' within List objects are ignored") //nolint:staticcheck // as Helm says it
		}
	}
	return nil
}
