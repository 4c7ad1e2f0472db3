package system_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

func TestAHintIsGivenOnce(t *testing.T) {
	t.Parallel()
	request := httpclient.Request{Method: "POST", URL: "https://auth.example.com/token"}
	moved := &httpclient.Response{Status: 302, Header: http.Header{"Location": {"https://login.example.com/"}}}
	one := system.JudgeStatus(request, moved, []int{200}, system.Hints{System: `the parameter "key"`, Credentials: `the parameter "key"`})
	assert.Equal(t, `check the parameter "key"`, one.Next)
	two := system.JudgeStatus(request, moved, []int{200}, system.Hints{System: `the parameter "url"`, Credentials: `the parameter "key"`})
	assert.Equal(t, `check the parameter "url" and the parameter "key"`, two.Next)
}
