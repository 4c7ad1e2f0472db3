package lint

import "slices"

// Rules lists every rule, in the order in which they run: loadRules come after the other rules about an
// add-on, to say only what those have no words for. Gaps in the numbers belong to what cannot be seen in
// files.
func Rules() []Rule {
	return slices.Concat(
		archiveRules(),
		fileRules(),
		metaRules(),
		planRules(),
		formRules(),
		docsRules(),
		bindRules(),
		kubernetesRules(),
		workloadRules(),
		kymaRules(),
		chartRules(),
		hubRules(),
		securityRules(),
		xrefRules(),
		definitionRules(),
		eventRules(),
		sampleRules(),
		linkRules(),
		addressRules(),
		styleRules(),
		loadRules(),
		indexRules(),
		suppressRules(),
	)
}
