package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// pollInterval is how often a probe is tried. The manifest's period suits a cluster, not someone waiting.
const pollInterval = 20 * time.Millisecond

// probeTimeout bounds one try where the manifest does not.
const probeTimeout = time.Second

// probe tries once.
func (r *running) probe(ctx context.Context, probe *corev1.Probe, ports Ports) error {
	timeout := probeTimeout
	if probe.TimeoutSeconds > 0 {
		timeout = time.Duration(probe.TimeoutSeconds) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case probe.HTTPGet != nil:
		address, ok := ports.Address(probe.HTTPGet.Port)
		if !ok {
			return permanent{fmt.Errorf("probe: the pod has no port %s", probe.HTTPGet.Port.String())}
		}
		return httpGet(ctx, address, probe.HTTPGet)
	case probe.TCPSocket != nil:
		address, ok := ports.Address(probe.TCPSocket.Port)
		if !ok {
			return permanent{fmt.Errorf("probe: the pod has no port %s", probe.TCPSocket.Port.String())}
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	case probe.Exec != nil:
		return r.exec(ctx, probe.Exec.Command)
	}
	return permanent{errors.New("probe: this kind of probe is not known")}
}

func httpGet(ctx context.Context, address string, get *corev1.HTTPGetAction) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+get.Path, nil)
	if err != nil {
		return permanent{err}
	}
	for _, header := range get.HTTPHeaders {
		request.Header.Set(header.Name, header.Value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is a process beside us
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 200 && response.StatusCode < 400 {
		return nil
	}
	reason, _ := io.ReadAll(io.LimitReader(response.Body, 512))
	return fmt.Errorf("%s answers %d: %s", get.Path, response.StatusCode, reason)
}

func (r *running) exec(ctx context.Context, command []string) error {
	if len(command) == 0 {
		return permanent{errors.New("probe: the command is empty")}
	}
	args := make([]string, 0, len(command))
	for _, arg := range command[1:] {
		args = append(args, r.rewrite.text(arg))
	}
	cmd := exec.CommandContext(ctx, r.Path, args...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr = r.Env, r.Dir, attributes()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("probe command: %w: %.512s", err, output)
	}
	return nil
}

// permanent is a probe failure that another try does not mend.
type permanent struct{ error }

// await tries a probe until it succeeds, the process ends or ctx does.
func (r *running) await(ctx context.Context, probe *corev1.Probe, ports Ports) error {
	if probe == nil {
		return nil
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := r.probe(ctx, probe, ports)
		if err == nil {
			return nil
		}
		var never permanent
		if errors.As(err, &never) {
			return err
		}
		select {
		case <-r.done:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %w", err)
		case <-ticker.C:
		}
	}
}

var errEnded = errors.New("the process has ended")
