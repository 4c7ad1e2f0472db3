package lint

// Purpose says what the rules of a suite are about.
func (s Suite) Purpose() string {
	return map[Suite]string{
		SuiteLoad:       "the broker loads and stores the add-on",
		SuiteOSB:        "catalog, form and bindings are what the author meant",
		SuiteChart:      "the chart renders and installs",
		SuiteSecurity:   "secrets stay where they belong, and pods may do what they need",
		SuiteDefinition: "connector definition, form, chart, samples and event catalog agree",
		SuiteHelm:       "Helm's own linter",
	}[s]
}

// Source says what the rule follows from.
func (r *Rule) Source() string {
	if own, found := map[string]string{
		"CHT003": "Helm, chart best practices", "CHT007": "Helm Broker, names of releases; Kubernetes, object names", "CHT010": "Helm Broker, installation with wait",
		"CHT013": "Helm 3.5 and later, JSON Schema libraries", "CHT014": "Helm, lint", "CHT017": "Kubernetes, strict field validation", "CHT018": "Kubernetes, deprecation guide",
		"CHT019": "Kubernetes, probes", "CHT020": "Kubernetes, recommended labels", "CHT021": "Kubernetes, labels and selectors", "CHT022": "Helm, chart best practices: values", "CHT023": "Artifact Hub, annotations of Helm charts", "CHT024": "Kubernetes, disruptions", "CHT025": "Kubernetes, references between objects", "CHT026": "Kyma, Istio and Service Catalog, resource definitions",
		"SEC002": "Kubernetes, Pod Security Standards", "SEC003": "Kubernetes, resource management", "SEC004": "Kubernetes, images", "SEC005": "Kubernetes, RBAC good practices",
		"SEC006": "Kubernetes, network policies", "SEC007": "Kubernetes, service accounts", "SEC008": "Kubernetes, good practices for Secrets",
		"SCH001": "Helm Broker, loader; Open Service Broker API", "SCH005": "Open Service Broker API, schemas", "SCH006": "Open Service Broker API, schemas",
		"DIR001": "Helm Broker, addresses of add-ons", "YML001": "Helm Broker, YAML reader", "MET007": "Helm Broker, conflicts of ids",
		"MET009": "Open Service Broker API, service offerings", "MET011": "Open Service Broker API, catalog", "MET008": "Open Service Broker API; Service Catalog, names of classes",
		"MET013": "Helm Broker, routes", "REP003": "Helm Broker, download of archives",
	}[r.ID]; found {
		return own
	}
	return map[string]string{
		"ADD": "Helm Broker, loader", "BND": "Helm Broker, renderer and resolver of bindings", "CHT": "Helm Broker, loader and storage of charts; Helm",
		"DEF": "connector definition", "DOC": "Helm Broker, documentation of add-ons", "EVT": "AsyncAPI; connector definition", "IDX": "Helm Broker, index of a repository",
		"LNK": "Helm Broker, loader; Git, symbolic links", "MET": "Helm Broker, meta.yaml", "PLN": "Helm Broker, plans and their storage", "REP": "Helm Broker, addresses of repositories",
		"SCH": "Helm Broker, form schema and its storage", "SEC": "connector definition; Kubernetes", "SUP": "addonctl lint", "TGZ": "Helm Broker, unpacking of archives",
		"VAL": "Helm Broker, merging of values", "XRF": "Helm, values; connector definition", "YML": "YAML",
	}[r.ID[:3]]
}
