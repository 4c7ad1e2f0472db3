// Command event-gateway takes events of external systems and hands them to Kyma.
package main

import (
	"os"

	// The certificates that the web trusts, for images that hold nothing but this program.
	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/eventgateway"
)

func main() { os.Exit(eventgateway.Process()) }
