// Command registration-job registers a system's APIs and events in Kyma.
package main

import (
	"os"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/registrationjob"
)

func main() { os.Exit(registrationjob.Process()) }
