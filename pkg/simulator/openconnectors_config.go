package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Keys of an instance's configuration.
const (
	ocEnabled      = "event.notification.enabled"
	ocCallback     = "event.notification.callback.url"
	ocSignatureKey = "event.notification.signature.key"
	ocVendorType   = "event.vendor.type"
	ocInterval     = "event.poller.refresh_interval"
	ocPoller       = "event.poller.configuration"
	ocPollerURLs   = "event.poller.urls"
	ocObjects      = "event.objects"
)

// ocSettings checks a configuration and returns its values as texts, which is how they are kept. Keys that
// begin with "event." and are not known are refused, as they would have no effect.
func ocSettings(configuration map[string]any) (map[string]string, error) {
	settings := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(configuration)) {
		value, err := ocValue(key, configuration[key])
		if err != nil {
			return nil, fmt.Errorf("invalid configuration '%s': %w", key, err)
		}
		settings[key] = value
	}
	return settings, nil
}

func ocValue(key string, value any) (string, error) {
	text, err := ocText(value)
	if err != nil {
		return "", err
	}
	switch key {
	case ocEnabled:
		if text != "true" && text != "false" {
			return "", errors.New("it is neither true nor false")
		}
	case ocVendorType:
		// The documentation has both spellings of the last one.
		if text != "polling" && text != "webhooks" && text != "webhook" {
			return "", errors.New("it is neither polling nor webhooks")
		}
	case ocCallback:
		if text != "" && !webAddress(text) {
			return "", errors.New("it is no http or https URL")
		}
	case ocInterval:
		if minutes, err := strconv.Atoi(text); err != nil || minutes < 1 {
			return "", errors.New("it is no number of minutes from 1 upward")
		}
	case ocPoller:
		return text, ocCheckPoller(text)
	case ocSignatureKey, ocPollerURLs, ocObjects:
	default:
		if strings.HasPrefix(key, "event.") {
			return "", errors.New("there is no such key")
		}
	}
	return text, nil
}

// ocText is a value as text: objects and lists as JSON.
func ocText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		text, err := json.Marshal(v)
		return string(text), err
	}
}

// ocCheckPoller checks a poller configuration: by resource, where to read and which fields are the id and
// the dates.
func ocCheckPoller(text string) error {
	var resources map[string]struct {
		URL                   string            `json:"url"`
		IDField               *string           `json:"idField"`
		Dates                 map[string]string `json:"datesConfiguration"`
		PageSize              any               `json:"pageSize"`
		PollDelay             any               `json:"pollDelay"`
		FilterByUpdatedDate   any               `json:"filterByUpdatedDate"`
		CreatedCheckTolerance any               `json:"createdCheckTolerance"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&resources); err != nil {
		return fmt.Errorf("it is no JSON object of resources: %w", err)
	}
	for name, resource := range resources {
		if resource.URL == "" || resource.IDField == nil {
			return fmt.Errorf("the resource %s needs url and idField", name)
		}
		for field := range resource.Dates {
			if !slices.Contains([]string{"updatedDateField", "updatedDateFormat", "updatedDateTimezone", "createdDateField", "createdDateFormat", "createdDateTimezone"}, field) {
				return fmt.Errorf("datesConfiguration of the resource %s has no field %s", name, field)
			}
		}
	}
	return nil
}

// poller is the poller configuration that instances begin with, a JSON text.
func (e ocElement) poller() string {
	resources := map[string]any{}
	for _, resource := range e.resources {
		resources[resource] = map[string]any{
			"url":     "/hubs/" + e.hub + "/" + resource + "?where=" + e.updated + ">='${gmtDate:yyyy-MM-dd'T'HH:mm:ss'Z'}'",
			"idField": e.idField,
			"datesConfiguration": map[string]any{
				"updatedDateField": e.updated, "updatedDateFormat": "yyyy-MM-dd'T'HH:mm:ss'Z'", "updatedDateTimezone": "GMT",
				"createdDateField": e.created, "createdDateFormat": "yyyy-MM-dd'T'HH:mm:ss'Z'", "createdDateTimezone": "GMT",
			},
		}
	}
	text, _ := json.Marshal(resources) // texts only
	return string(text)
}

// configure sets values of an instance and makes, replaces or ends its subscription; the caller holds the lock.
func (c *openConnectors) configure(i *ocInstance, settings map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		i.set(key, settings[key], c)
	}
	address := i.setting(ocCallback)
	switch {
	case i.setting(ocEnabled) != "true" || address == "":
		i.subscription = nil
	case i.subscription == nil || i.subscription.url != address:
		c.nextID++
		i.subscription = &ocSubscription{id: c.nextID, instance: i.id, element: i.element.key, url: address, active: true}
	}
	if i.subscription != nil {
		i.subscription.key = i.setting(ocSignatureKey)
	}
}

// polling says whether the events of an instance are found by polling.
func (i *ocInstance) polling() bool { return i.setting(ocVendorType) == "polling" }

// watched are the resources whose changes an instance notices.
func (i *ocInstance) watched() []string {
	if i.polling() {
		resources := map[string]any{}
		_ = json.Unmarshal([]byte(i.setting(ocPoller)), &resources) // it was checked
		return slices.Sorted(maps.Keys(resources))
	}
	if objects := listOf(i.setting(ocObjects)); len(objects) > 0 {
		return objects
	}
	return i.element.resources
}
