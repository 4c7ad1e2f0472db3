package form

import "strconv"

// Convert turns texts into what the form asks for: true, false and whole numbers. Parameters come as
// texts where they were kept for a job; what cannot be turned stays, and Check says what is wrong with it.
func (s *Schema) Convert(parameters map[string]any) map[string]any {
	out := make(map[string]any, len(parameters))
	for name, value := range parameters {
		out[name] = value
		text, isText := value.(string)
		property, _ := s.properties()[name].(map[string]any)
		if !isText {
			continue
		}
		switch property["type"] {
		case "boolean":
			if v, err := strconv.ParseBool(text); err == nil {
				out[name] = v
			}
		case "integer":
			if v, err := strconv.ParseInt(text, 10, 64); err == nil {
				out[name] = v
			}
		}
	}
	return out
}
