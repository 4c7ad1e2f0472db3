// Command event-gateway takes events of external systems and hands them to Kyma.
package main

import (
	"os"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/eventgateway"
)

func main() { os.Exit(eventgateway.Process()) }
