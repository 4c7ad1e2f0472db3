package addon

// Meta is an add-on's meta.yaml, as Helm Broker reads it.
type Meta struct {
	ID                  string            `json:"id"`
	Name                string            `json:"name"`
	Version             string            `json:"version"`
	Description         string            `json:"description"`
	DisplayName         string            `json:"displayName"`
	Tags                string            `json:"tags,omitempty"` // one string, separated by commas
	ProviderDisplayName string            `json:"providerDisplayName,omitempty"`
	LongDescription     string            `json:"longDescription,omitempty"`
	DocumentationURL    string            `json:"documentationURL,omitempty"`
	SupportURL          string            `json:"supportURL,omitempty"`
	ImageURL            string            `json:"imageURL,omitempty"`
	Bindable            bool              `json:"bindable,omitempty"`
	ProvisionOnlyOnce   bool              `json:"provisionOnlyOnce,omitempty"`
	Labels              map[string]string `json:"labels,omitempty"`
	Requires            []string          `json:"requires,omitempty"`
	BindingsRetrievable bool              `json:"bindingsRetrievable,omitempty"`
	PlanUpdatable       *bool             `json:"planUpdatable,omitempty"`
}

// PlanMeta is a plan's meta.yaml, as Helm Broker reads it.
type PlanMeta struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	DisplayName string `json:"displayName"`
	Bindable    *bool  `json:"bindable,omitempty"`
	Free        *bool  `json:"free,omitempty"`
}

// DocsMeta is docs/meta.yaml, as Helm Broker reads it.
type DocsMeta struct {
	Docs []Docs `json:"docs"`
}

// Docs is the one entry of DocsMeta.
type Docs struct {
	Template DocsTemplate `json:"template"`
}

// DocsTemplate says what a Kyma console shows as an add-on's documentation.
type DocsTemplate struct {
	DisplayName string            `json:"displayName"`
	Description string            `json:"description"`
	Labels      map[string]string `json:"labels,omitempty"`
	Sources     []DocsSource      `json:"sources"`
}

// DocsSource names files of documentation.
type DocsSource struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Mode   string `json:"mode"` // single or package
	URL    string `json:"url,omitempty"`
	Filter string `json:"filter,omitempty"` // RE2
}
