package ledger

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestADuplicateNeedsAnAnswerThatNobodyRead: the target answers each time. A gateway that read the answer and publishes
// the event again has no excuse; one that closed the connection before it read has.
func TestADuplicateNeedsAnAnswerThatNobodyRead(t *testing.T) {
	t.Parallel()
	hear := func(t *testing.T, gateway net.Conn) {
		t.Helper()
		_, err := io.ReadFull(gateway, make([]byte, len("answer")))
		require.NoError(t, err)
	}
	tests := []struct {
		name string
		// before and after the target answers
		before, after func(t *testing.T, gateway net.Conn)
		excused       bool
	}{
		{name: "it reads the answer and closes", after: hear},
		{name: "it reads the answer and asks again", after: func(t *testing.T, gateway net.Conn) {
			hear(t, gateway)
			_, err := gateway.Write([]byte("again"))
			require.NoError(t, err)
		}},
		{name: "it closes before it reads", excused: true},
		{name: "it closes before the answer", before: func(t *testing.T, gateway net.Conn) { require.NoError(t, gateway.Close()) }, excused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			books := New("test")
			target := &Target{ledger: books, arrivals: map[string][]*Arrival{}}
			id := books.ID()
			books.Enter("webhook", id, Acknowledged, "")
			for range 2 {
				target.Note(id, Arrival{At: time.Now(), Intact: true})
			}

			gateway, conn := dial(t, target)
			_, err := gateway.Write([]byte("event"))
			require.NoError(t, err)
			buffer := make([]byte, 16)
			_, err = conn.Read(buffer)
			require.NoError(t, err)
			if tt.before != nil {
				tt.before(t, gateway)
			}
			_, err = conn.Write([]byte("answer"))
			require.NoError(t, err)
			conn.answered(target.arrivals[id][0])
			if tt.after != nil {
				tt.after(t, gateway)
			}
			_ = gateway.Close()
			for err == nil {
				_, err = conn.Read(buffer)
			}

			report := books.Report(target, nil)
			if tt.excused {
				assert.Equal(t, map[string]int{AfterFault: 1}, report.Duplicates)
				assert.NoError(t, report.Problem())
			} else {
				assert.Empty(t, report.Duplicates)
				assert.ErrorContains(t, report.Problem(), "1 delivered again without a reason")
			}
		})
	}
}

// dial makes a connection to a target.
func dial(t *testing.T, target *Target) (gateway net.Conn, conn *connection) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	gateway, err = net.Dial("tcp", tcp.Addr().String())
	require.NoError(t, err)
	accepted, err := listener{tcp, target}.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = accepted.Close() })
	return gateway, accepted.(*connection)
}
