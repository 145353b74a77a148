// The order of the search's results. Sphinx sorts by where the words are, and pages of the same score by their titles.
// Here pages come first whose title has the words, then those that teach, and last those for the maintainers.
const FOLDERS = [
  [/^(index$|guide\/)/, 4],
  [/^(coming-from|auto_gallery|api)\//, 2],
  [/^benchmarks\/(?!index|clusters)/, -4], // one machine each
  [/^(changelog|contributing|releasing|about)$/, -4],
];

function wordsOf(text) {
  return text.toLowerCase().split(/[^\w.-]+/).filter((word) => word);
}

var Scorer = {
  // A result is [page, title, anchor, description, score, file, kind].
  score: ([page, title, , , score]) => {
    const asked = new URLSearchParams(window.location.search).get("q") || "";
    const written = new Set(wordsOf(title));
    const shared = wordsOf(asked).filter((word) => written.has(word)).length;
    const folder = FOLDERS.find(([pattern]) => pattern.test(page));
    return score + 5 * shared + (folder ? folder[1] : 0);
  },
  // What follows is Sphinx's own.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
