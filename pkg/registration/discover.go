package registration

import (
	"context"
	"fmt"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// listing is what a discovery found.
type listing struct {
	candidates []*candidate
	// found is why the listing could not be read to its end; active where it could.
	found finding
	// absent says that the system has no such listing, which the definition allows.
	absent bool
}

// discover lists APIs from the system, page after page.
func (p *prober) discover(ctx context.Context, api *connector.API) listing {
	var out listing
	items, absent, found := p.system.Discover(ctx, api)
	out.found, out.absent = found, absent
	for _, item := range items {
		if item.ID == "" {
			out.candidates = append(out.candidates, &candidate{api: api, id: fmt.Sprintf("item-%d", item.Index), name: fmt.Sprintf("item %d of the listing", item.Index),
				found: finding{Class: ClassMalformed, Reason: "an entry of the listing of APIs has no id", Next: "ask the vendor of the system, or correct the definition"}})
			continue
		}
		in := p.system.Input()
		in.Item, in.Index = item.Raw, item.Index
		out.candidates = append(out.candidates, newCandidate(p.system, api, item.ID, in))
	}
	return out
}
