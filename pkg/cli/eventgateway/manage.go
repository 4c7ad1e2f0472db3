package eventgateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/deadletter"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// manageFile, in the buffer's directory, says how to reach the running gateway that holds the buffer. Only
// who may read the buffer may read it.
const manageFile = "manage.json"

type manageAddress struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

// management lets the deadletters command work on the buffer of a running gateway.
type management struct {
	server *httpserver.Server
	path   string
	data   []byte        // what the file says
	told   bool          // the file is there
	again  time.Duration // when to try to write it again
	logger *slog.Logger
}

// newManagement listens on a loopback address and writes down which. Where the volume has no space for that, events go on.
func newManagement(ctx context.Context, address, dir string, letters gateway.DeadLetters, remap func(gateway.Delivery) ([]gateway.Entry, error), logger *slog.Logger) (*management, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("--manage-listen %q: want a loopback address such as 127.0.0.1:0, because payloads are shown there", address)
	}
	token := secret.New(rand.Text())
	server, err := httpserver.Listen(ctx, address, httpserver.Options{
		Name: "management", MaxConnections: 16, WriteTimeout: 5 * time.Minute, Logger: logger,
		Handler: deadletter.Handler(&deadletter.Service{Letters: letters, Remap: remap}, token),
	})
	if err != nil {
		return nil, err
	}
	m := &management{server: server, path: filepath.Join(dir, manageFile), again: 10 * time.Second, logger: logger}
	m.data, err = json.Marshal(manageAddress{Address: server.Addr().String(), Token: token.Reveal()})
	if err != nil {
		return nil, err
	}
	m.tell()
	return m, nil
}

// tell writes the file.
func (m *management) tell() {
	err := os.WriteFile(m.path, m.data, 0o600)
	if m.told = err == nil; !m.told {
		_ = os.Remove(m.path)
		m.logger.Warn("the deadletters command cannot find this gateway at the moment", "error", err.Error())
	}
}

// keepTelling tries until the file is there.
func (m *management) keepTelling(ctx context.Context) {
	for !m.told {
		select {
		case <-ctx.Done():
			return
		case <-time.After(m.again):
			m.tell()
		}
	}
}

func (m *management) run(ctx context.Context) error {
	stopped := context.AfterFunc(ctx, m.stop)
	defer stopped()
	defer func() { _ = os.Remove(m.path) }() // a stale one only makes the command say that nobody answers
	var telling sync.WaitGroup
	defer telling.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	telling.Go(func() { m.keepTelling(ctx) })
	return m.server.Serve()
}

func (m *management) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := m.server.Shutdown(ctx); err != nil {
		m.logger.Warn("management stopped in the middle of something", "error", err.Error())
	}
}

// reachManagement finds the running gateway that holds a buffer.
func reachManagement(dir string) (deadletter.Manager, error) {
	data, err := os.ReadFile(filepath.Join(dir, manageFile))
	if err != nil {
		return nil, fmt.Errorf("a gateway has the buffer open, but does not say how to reach it: %w", err)
	}
	var address manageAddress
	if err := json.Unmarshal(data, &address); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", manageFile, err)
	}
	return deadletter.NewClient(address.Address, secret.New(address.Token)), nil
}
