package connector

import (
	"iter"
	"slices"
)

// didYouMean is a suggestion to end a message with, empty where no name is close.
func didYouMean(name string, names iter.Seq[string]) string {
	best, distance := "", len(name)/3+1
	for _, candidate := range slices.Sorted(names) {
		if d := editDistance(name, candidate); d <= distance && (best == "" || d < distance) {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return `, or did you mean "` + best + `"?`
}

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
