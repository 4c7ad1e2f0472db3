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

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// githubEvent is one event that can be fired, with its actions, and what its payload has beside action,
// repository, organization and sender.
type githubEvent struct {
	name    string
	actions []string
	payload func(g *githubHooks, n Notification) map[string]any
}

func githubEvents() []githubEvent {
	user := map[string]any{"login": "octocat", "id": 583231}
	issue := func(g *githubHooks, n Notification) map[string]any {
		number := githubNumber(n)
		return map[string]any{"issue": map[string]any{
			"id": 1000 + number, "number": number, "title": "Found a bug", "state": "open", "user": user, "html_url": g.page("issues", number),
		}}
	}
	pull := func(g *githubHooks, n Notification) map[string]any {
		number := githubNumber(n)
		return map[string]any{"number": number, "pull_request": map[string]any{
			"id": 2000 + number, "number": number, "title": "Fix the bug", "state": "open", "user": user, "html_url": g.page("pull", number), "merged": false,
		}}
	}
	and := func(first func(*githubHooks, Notification) map[string]any, name string, more map[string]any) func(*githubHooks, Notification) map[string]any {
		return func(g *githubHooks, n Notification) map[string]any {
			payload := first(g, n)
			delete(payload, "number")
			payload[name] = more
			return payload
		}
	}
	only := func(payload map[string]any) func(*githubHooks, Notification) map[string]any {
		return func(*githubHooks, Notification) map[string]any { return maps.Clone(payload) }
	}
	commit := map[string]any{"id": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", "message": "Fix the bug", "author": map[string]any{"name": "octocat"}}
	return []githubEvent{
		{"push", nil, only(map[string]any{"ref": "refs/heads/main", "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "after": commit["id"], "commits": []any{commit}, "head_commit": commit})},
		{"issues", []string{"opened", "edited", "closed", "reopened", "labeled", "assigned"}, issue},
		{"issue_comment", []string{"created", "edited", "deleted"}, and(issue, "comment", map[string]any{"id": 3001, "body": "I can see it too", "user": user})},
		{"pull_request", []string{"opened", "synchronize", "closed", "reopened"}, pull},
		{"pull_request_review", []string{"submitted", "edited", "dismissed"}, and(pull, "review", map[string]any{"id": 4001, "state": "approved", "user": user})},
		{"release", []string{"published"}, only(map[string]any{"release": map[string]any{"id": 5001, "tag_name": "v1.0.0", "name": "1.0.0"}})},
		{"create", nil, only(map[string]any{"ref": "feature", "ref_type": "branch", "master_branch": "main"})},
		{"delete", nil, only(map[string]any{"ref": "feature", "ref_type": "branch"})},
		{"fork", nil, only(map[string]any{"forkee": map[string]any{"id": 6001, "full_name": "octocat/fork"}})},
		{"star", []string{"created", "deleted"}, only(map[string]any{"starred_at": "2026-01-02T03:04:05Z"})},
		{"workflow_run", []string{"requested", "completed"}, only(map[string]any{"workflow_run": map[string]any{"id": 7001, "name": "build", "status": "completed", "conclusion": "success"}})},
		{"deployment", []string{"created"}, only(map[string]any{"deployment": map[string]any{"id": 8001, "ref": "main", "environment": "production"}})},
		{"member", []string{"added", "removed", "edited"}, only(map[string]any{"member": user})},
	}
}

// githubNumber is the number of an issue or a pull request.
func githubNumber(n Notification) int {
	if number, err := strconv.Atoi(n.Entity); err == nil {
		return number
	}
	return 1347
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
	if g.repository == nil {
		return errors.New("fire: the simulated organization has no repository in which something could happen: set the parameter repository")
	}
	event, action, err := g.event(n.Type)
	if err != nil {
		return err
	}
	payload := event.payload(g, n)
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
