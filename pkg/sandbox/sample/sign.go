package sample

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// Sign makes the delivery of one installation one of another: where it proves its sender under the
// parameters from, the result proves it under to; a time that the proof covers becomes now. A delivery
// that proves nothing under from is returned as it is, with signed false: wrong stays wrong. So is one
// whose proof only somebody else can issue.
func Sign(d *connector.Definition, r Request, from, to *connector.Params, now time.Time) (out Request, signed bool, err error) {
	return SignChanged(d, r, r, from, to, now)
}

// SignChanged is Sign for a delivery that was changed since it was recorded, at other places than its proof.
func SignChanged(d *connector.Definition, recorded, changed Request, from, to *connector.Params, now time.Time) (out Request, signed bool, err error) {
	delivery := Delivery(d, recorded)
	if delivery == nil {
		return changed, false, nil
	}
	for _, s := range schemesOf(delivery) {
		old, err := s.match(recorded, from)
		if err != nil {
			return changed, false, err
		}
		if old != "" {
			return s.resign(changed, old, from, to, now)
		}
	}
	return changed, false, nil
}

// resign replaces a proof that is right under from by one that is right under to.
func (s *scheme) resign(r Request, old string, from, to *connector.Params, now time.Time) (out Request, signed bool, err error) {
	stamp, err := s.stamp(r, from)
	if err != nil {
		return r, false, err
	}
	if stamp != "" {
		r = r.replace(stamp, strconv.FormatInt(now.Unix(), 10))
	}
	proofs, err := s.proofs(r, to)
	if err != nil || len(proofs) == 0 {
		return r, false, err
	}
	return r.replace(old, proofs[0]), true, nil
}

// Delivery finds the way in that the request takes, nil where there is none.
func Delivery(d *connector.Definition, r Request) *connector.Delivery {
	path := r.Path()
	for i := range d.Deliveries {
		h := d.Deliveries[i].HTTP
		if r.Message() {
			if d.Deliveries[i].MQTT != nil {
				return &d.Deliveries[i]
			}
			continue
		}
		if h == nil {
			continue
		}
		below := h.Subpaths || d.Deliveries[i].Verify.TokenInPath()
		if path == h.Path || below && strings.HasPrefix(path, strings.TrimSuffix(h.Path, "/")+"/") {
			return &d.Deliveries[i]
		}
	}
	return nil
}

// match returns the proof in the request that is right under the parameters, or "".
func (s *scheme) match(r Request, p *connector.Params) (string, error) {
	presented, err := s.presented(r, p)
	if err != nil {
		return "", err
	}
	proofs, err := s.proofs(r, p)
	if err != nil {
		return "", err
	}
	for _, proof := range presented {
		if proof != "" && slices.Contains(proofs, proof) {
			return proof, nil
		}
	}
	return "", nil
}
