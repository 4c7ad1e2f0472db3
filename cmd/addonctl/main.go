// Command addonctl makes, checks, builds and tries add-ons for Helm Broker.
package main

import (
	"io"
	"log"
	"os"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/addonctl"
	_ "github.com/kyma-connectors/kyma-connectors/pkg/cli/collect" // less often than Go does by itself
)

func main() {
	log.SetOutput(io.Discard) // Helm's libraries chat there; what matters comes as an error
	os.Exit(addonctl.Process())
}
