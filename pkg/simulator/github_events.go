package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// githubEvent is one event that can be fired, with its actions, and what its payload has beside action,
// repository, organization and sender.
type githubEvent struct {
	name    string
	actions []string
	payload githubPayload
}

// githubPayload makes what one event has beside the common things; serial is a new number each time.
type githubPayload func(g *githubHooks, n Notification, serial int) map[string]any

func githubEvents() []githubEvent {
	user := map[string]any{"login": "octocat", "id": 583231}
	// only is a payload of one object.
	only := func(name string, object map[string]any) githubPayload {
		return func(_ *githubHooks, n Notification, serial int) map[string]any {
			object := maps.Clone(object)
			object["id"], object["updated_at"] = serial, n.Time.UTC().Format(time.RFC3339)
			return map[string]any{name: object}
		}
	}
	// numbered is that of an issue or a pull request, which has a number that people know.
	numbered := func(name, page string, object map[string]any) githubPayload {
		return func(g *githubHooks, n Notification, serial int) map[string]any {
			number, err := strconv.Atoi(n.Entity)
			if err != nil {
				number = serial
			}
			payload := only(name, object)(g, n, 1000+number)
			maps.Copy(payload[name].(map[string]any), map[string]any{"number": number, "state": "open", "user": user, "html_url": g.page(page, number)})
			return payload
		}
	}
	and := func(payloads ...githubPayload) githubPayload {
		return func(g *githubHooks, n Notification, serial int) map[string]any {
			all := map[string]any{}
			for _, payload := range payloads {
				maps.Copy(all, payload(g, n, serial))
			}
			return all
		}
	}
	issue := numbered("issue", "issues", map[string]any{"title": "Found a bug"})
	pull := numbered("pull_request", "pull", map[string]any{"title": "Fix the bug", "merged": false})
	number := func(g *githubHooks, n Notification, serial int) map[string]any {
		return map[string]any{"number": pull(g, n, serial)["pull_request"].(map[string]any)["number"]}
	}
	branch := func(_ *githubHooks, _ Notification, serial int) map[string]any {
		return map[string]any{"ref": fmt.Sprintf("feature-%d", serial), "ref_type": "branch"}
	}
	// Only the creation of a branch names the default one.
	main := func(*githubHooks, Notification, int) map[string]any { return map[string]any{"master_branch": "main"} }
	push := func(_ *githubHooks, n Notification, serial int) map[string]any {
		commit := map[string]any{"id": fmt.Sprintf("%040x", serial), "message": "Fix the bug", "timestamp": n.Time.UTC().Format(time.RFC3339), "author": map[string]any{"name": "octocat"}}
		return map[string]any{"ref": "refs/heads/main", "before": fmt.Sprintf("%040x", serial-1), "after": commit["id"], "commits": []any{commit}, "head_commit": commit}
	}
	star := func(_ *githubHooks, n Notification, _ int) map[string]any {
		return map[string]any{"starred_at": n.Time.UTC().Format(time.RFC3339)}
	}
	return []githubEvent{
		{"push", nil, push},
		{"issues", []string{"opened", "edited", "closed", "reopened", "labeled", "assigned"}, issue},
		{"issue_comment", []string{"created", "edited", "deleted"}, and(issue, only("comment", map[string]any{"body": "I can see it too", "user": user}))},
		{"pull_request", []string{"opened", "synchronize", "closed", "reopened"}, and(pull, number)},
		{"pull_request_review", []string{"submitted", "edited", "dismissed"}, and(pull, only("review", map[string]any{"state": "approved", "user": user}))},
		{"release", []string{"published"}, only("release", map[string]any{"tag_name": "v1.0.0", "name": "1.0.0"})},
		{"create", nil, and(branch, main)},
		{"delete", nil, branch},
		{"fork", nil, only("forkee", map[string]any{"full_name": "octocat/fork"})},
		{"star", []string{"created", "deleted"}, star},
		{"workflow_run", []string{"requested", "completed"}, only("workflow_run", map[string]any{"name": "build", "status": "completed", "conclusion": "success"})},
		{"deployment", []string{"created"}, only("deployment", map[string]any{"ref": "main", "environment": "production"})},
		{"member", []string{"added", "removed", "edited"}, only("member", map[string]any{"login": "hubot"})},
	}
}

func (g *githubHooks) page(kind string, number int) string {
	return fmt.Sprintf("https://github.com/%s/%s/%d", g.repository.name, kind, number)
}

// githubEventNames are the events that a webhook can ask for.
func githubEventNames() []string {
	return strings.Fields(`branch_protection_configuration branch_protection_rule check_run check_suite code_scanning_alert
		commit_comment create custom_property custom_property_values delete dependabot_alert deploy_key deployment
		deployment_protection_rule deployment_review deployment_status discussion discussion_comment fork gollum
		issue_comment issues label member membership merge_group meta milestone org_block organization package page_build
		personal_access_token_request ping project project_card project_column projects_v2 projects_v2_item public
		pull_request pull_request_review pull_request_review_comment pull_request_review_thread push registry_package
		release repository repository_advisory repository_dispatch repository_import repository_ruleset
		repository_vulnerability_alert secret_scanning_alert secret_scanning_alert_location security_and_analysis
		star status sub_issues team team_add watch workflow_dispatch workflow_job workflow_run`)
}

// Types implements Notifier.
func (g *githubHooks) Types() []string {
	types := []string{}
	for _, e := range githubEvents() {
		if len(e.actions) == 0 {
			types = append(types, e.name)
		}
		for _, action := range e.actions {
			types = append(types, e.name+"."+action)
		}
	}
	return types
}

// Fire implements Notifier. The type is an event and its action, such as "pull_request.opened"; underscores
// may be left out. Entity is the number of an issue or pull request. What happens in the repository is
// delivered to its hooks and to those of its organization.
func (g *githubHooks) Fire(ctx context.Context, n Notification) error {
	if _, err := g.outbox.connected(); err != nil {
		return err
	}
	event, action, err := g.event(n.Type)
	if err != nil {
		return err
	}
	if n.Time.IsZero() {
		n.Time = time.Now()
	}
	payload := event.payload(g, n, int(g.serial.Add(1)))
	if action != "" {
		payload["action"] = action
	}
	g.surround(payload, g.repository)
	maps.Copy(payload, n.Extra)
	body, err := json.Marshal(payload)
	if err != nil {
		return errors.New("fire: the extra data cannot be written as JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	if len(body) > maxGithubPayload {
		return errors.New("fire: GitHub sends no payload of more than 25 MB")
	}
	for _, m := range g.messages(n.ID, event.name, action, body) {
		g.send(ctx, m)
	}
	return ctx.Err()
}

// messages are the deliveries of one event, one for each active hook that wants it.
func (g *githubHooks) messages(guid, event, action string, body []byte) []message {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	var messages []message
	for _, h := range slices.Concat(g.repository.hooks, g.organization.hooks) {
		if !h.active || !slices.Contains(h.events, event) && !slices.Contains(h.events, "*") {
			continue
		}
		id := guid
		if id == "" {
			id = kube.NewUID() // each hook has one of its own
		}
		messages = append(messages, g.message(h, id, event, action, body, false))
	}
	return messages
}

func (g *githubHooks) event(name string) (event githubEvent, action string, err error) {
	plain := func(text string) string { return strings.ReplaceAll(text, "_", "") }
	for _, e := range githubEvents() {
		if len(e.actions) == 0 && plain(e.name) == plain(name) {
			return e, "", nil
		}
		for _, action := range e.actions {
			if plain(e.name+"."+action) == plain(name) {
				return e, action, nil
			}
		}
	}
	return githubEvent{}, "", fmt.Errorf("fire: GitHub has no event %q: choose one of %s", name, strings.Join(g.Types(), ", "))
}
