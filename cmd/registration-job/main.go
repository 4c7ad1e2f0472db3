// Command registration-job registers a system's APIs and events in Kyma.
package main

import (
	"os"

	// The certificates that the web trusts, for images that hold nothing but this program.
	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/registrationjob"
)

func main() { os.Exit(registrationjob.Process()) }
