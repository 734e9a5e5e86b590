import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpening } from "../../src/viewer/opening.js";

const study = (name) => ({ name, facts: {}, pictures: [{}], note: "" });

/** An opening with a screen that only writes down what it is told. */
function opened({ keep = "keep", hasText = false } = {}) {
  const seen = { shown: null, prior: null, failures: [], outcomes: [], asked: [], again: false, closed: 0 };
  let picture = async () => new ArrayBuffer(1);
  const opening = createOpening({
    picture: () => picture(),
    priorPicture: () => picture(),
    report: () => ({ hasText: () => hasText, beginOpening: async () => (outcome) => seen.outcomes.push(outcome) }),
    screen: {
      show: (next) => (seen.shown = next.name),
      none: () => (seen.shown = null),
      putAway: () => (seen.shown = seen.prior = null),
      waiting() {},
      fail(error, besides = "", again = false) {
        seen.failures.push(`${error.message ?? error} ${besides}`.trim());
        seen.again = again;
      },
      quiet() {},
      async keepReport(hadStudy) {
        seen.asked.push(hadStudy);
        return keep;
      },
      showPrior: (prior) => (seen.prior = prior.name),
      putPriorAway: () => (seen.prior = null),
      closePrior: () => seen.closed++,
    },
  });
  return { opening, seen, fetches: (how) => (picture = how) };
}
const last = (outcomes) => outcomes.filter((one) => one !== "failed").at(-1);
const broken = async () => {
  throw new Error("Broken.");
};

test("the first study leaves what was typed before it, the next takes it along", async () => {
  const { opening, seen } = opened();
  await opening.open(async () => study("A"), "A");
  assert.equal(last(seen.outcomes), "opened");
  await opening.open(async () => study("B"), "B");
  assert.equal(last(seen.outcomes), "replaced");
  assert.equal(seen.shown, "B");
});

test("a report that holds text is asked about, and cleared where that was said", async () => {
  const { opening, seen } = opened({ keep: "clear", hasText: true });
  await opening.open(async () => study("A"), "A");
  await opening.open(async () => study("B"), "B");
  assert.deepEqual([seen.asked, last(seen.outcomes)], [[false, true], "cleared"]);
});

test("who cancels opens nothing", async () => {
  const { opening, seen } = opened({ keep: null, hasText: true });
  await opening.open(() => assert.fail("loaded"), "A");
  assert.deepEqual([seen.outcomes, opening.study, opening.isBusy], [[], null, false]);
});

test("a file that cannot be opened leaves the study on screen and its words", async () => {
  const { opening, seen } = opened();
  await opening.open(async () => study("A"), "A");
  seen.outcomes.length = 0;
  await opening.open(broken, "B");
  assert.deepEqual([seen.shown, seen.outcomes], ["A", ["failed"]]);
  assert.match(seen.failures.at(-1), /Broken\. The study on screen is unchanged\./);
});

test("a study whose picture does not come is not on screen until it does, and says so", async () => {
  const { opening, seen, fetches } = opened();
  await opening.open(async () => study("A"), "A");
  fetches(broken);
  await opening.open(async () => study("B"), "B");
  assert.deepEqual([seen.shown, opening.study, opening.isUnseen, seen.again], [null, null, true, true]);
  await opening.showUnseen();
  assert.equal(opening.isUnseen, true);
  fetches(async () => new ArrayBuffer(1));
  await opening.showUnseen();
  assert.deepEqual([seen.shown, opening.isUnseen, opening.study.name], ["B", false, "B"]);
});

test("a second study while one is being opened is refused", async () => {
  const { opening, seen } = opened();
  let arrive = () => {};
  const first = opening.open(() => new Promise((resolve) => (arrive = resolve)), "A");
  await new Promise((resolve) => setTimeout(resolve, 0));
  await opening.open(() => assert.fail("loaded"), "B");
  assert.match(seen.failures.at(-1), /Another study is still opening/);
  arrive(study("A"));
  await first;
  assert.equal(seen.shown, "A");
});

test("a prior whose picture does not come is closed on the desk too", async () => {
  const { opening, seen, fetches } = opened();
  await opening.openPrior(() => assert.fail("there is no study"), "P");
  await opening.open(async () => study("A"), "A");
  fetches(broken);
  await opening.openPrior(async () => study("P"), "P");
  assert.deepEqual([seen.prior, seen.closed, opening.study.name], [null, 1, "A"]);
});

test("a study that the desk has lost still gives its words away to no other", async () => {
  const { opening, seen } = opened();
  await opening.open(async () => study("A"), "A");
  opening.lost();
  assert.equal(seen.shown, null);
  await opening.open(async () => study("B"), "B");
  assert.equal(last(seen.outcomes), "replaced");
});
