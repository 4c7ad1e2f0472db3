package enforce

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// patience is how long the plug-in waits for the rules; then the kubelet tries again.
const patience = 30 * time.Second

// Plugin is the last network plug-in of a chain (CNI 1.0.0): it tells the Enforcer whom an address was given to, and
// waits until the rules say what that pod may. Arguments come as variables (getenv), the configuration on stdin;
// what goes wrong is said on stdout, as the runtime expects it, and returned.
func Plugin(ctx context.Context, getenv func(string) string, stdin io.Reader, stdout io.Writer) error {
	err := plugin(ctx, getenv, stdin, stdout)
	if err != nil {
		const again = 11 // "try again later"
		if err := json.NewEncoder(stdout).Encode(map[string]any{"cniVersion": "1.0.0", "code": again, "msg": err.Error()}); err != nil {
			return err
		}
	}
	return err
}

func plugin(ctx context.Context, getenv func(string) string, stdin io.Reader, stdout io.Writer) error {
	var config struct {
		Socket     string          `json:"socket"`
		PrevResult json.RawMessage `json:"prevResult"`
	}
	if err := json.NewDecoder(stdin).Decode(&config); err != nil {
		return fmt.Errorf("configuration of the network plug-in: %w", err)
	}
	s := sandbox{Container: getenv("CNI_CONTAINERID")}
	switch getenv("CNI_COMMAND") {
	case "ADD":
	case "DEL":
		s.Remove = true
		_ = ask(ctx, config.Socket, s, 0) // an Enforcer that is not there has nothing to forget
		return nil
	case "VERSION":
		_, err := io.WriteString(stdout, `{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}`+"\n")
		return err
	default: // CHECK: whatever is missing is said at the next change
		return nil
	}
	var before struct {
		IPs []struct {
			Address netip.Prefix `json:"address"`
		} `json:"ips"`
	}
	if err := json.Unmarshal(config.PrevResult, &before); err != nil {
		return fmt.Errorf("result of the plug-in before: %w", err)
	}
	if len(before.IPs) == 0 {
		return fmt.Errorf("the plug-in before gave container %s no address", s.Container)
	}
	s.Address = before.IPs[0].Address.Addr()
	for _, arg := range strings.Split(getenv("CNI_ARGS"), ";") {
		switch k, v, _ := strings.Cut(arg, "="); k {
		case "K8S_POD_NAMESPACE":
			s.Namespace = v
		case "K8S_POD_NAME":
			s.Name = v
		case "K8S_POD_UID":
			s.UID = v
		}
	}
	if err := ask(ctx, config.Socket, s, patience); err != nil {
		return fmt.Errorf("NetworkPolicies of pod %s/%s: %w", s.Namespace, s.Name, err)
	}
	_, err := stdout.Write(append(config.PrevResult, '\n'))
	return err
}

// ask tells the Enforcer of a sandbox and waits for its answer. For the given time it waits for the Enforcer itself.
func ask(ctx context.Context, socket string, s sandbox, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(ctx, socket, limit)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(s); err != nil {
		return err
	}
	if answer, err := io.ReadAll(conn); err != nil || string(answer) != "ok\n" {
		return fmt.Errorf("the rules do not know it after %s", patience)
	}
	return nil
}

func dial(ctx context.Context, socket string, limit time.Duration) (net.Conn, error) {
	deadline := time.Now().Add(limit)
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil || !time.Now().Before(deadline) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
