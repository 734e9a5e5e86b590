import assert from "node:assert/strict";
import { test } from "node:test";
import { createAutosave } from "../../src/page/autosave.js";
import { themeOf } from "../../src/page/theme.js";

/** A desk that refuses as the real one does. */
function aDesk() {
  const held = { version: 0, writer: "", text: "" };
  return {
    held,
    async send({ version, writer, indication }) {
      if (version < held.version || (version === held.version && writer !== held.writer))
        throw Object.assign(new Error("newer"), { status: 409 });
      Object.assign(held, { version, writer, text: indication });
    },
  };
}
function aPage(desk, others = []) {
  const page = { text: "", told: [] };
  page.autosave = createAutosave({
    now: () => ({ spans: [], indication: page.text }),
    send: desk.send,
    tell: (text) => page.told.push(text),
    onOther: () => others.push(page),
  });
  return page;
}

test("a page that has not seen the other's version is told and overwrites nothing", async () => {
  const desk = aDesk(),
    others = [];
  const first = aPage(desk, others),
    second = aPage(desk, others);
  first.text = "first";
  await first.autosave.put();
  second.text = "second";
  await assert.rejects(second.autosave.put());
  assert.equal(desk.held.text, "first");
  assert.deepEqual(others, [second]);
  second.autosave.after(desk.held.version);
  await second.autosave.put();
  assert.equal(desk.held.text, "second");
});

test("a page learns from the desk's number that another has written", () => {
  const others = [];
  const page = aPage(aDesk(), others);
  page.autosave.compare({ version: 0, writer: "" });
  page.autosave.compare({ version: 3, writer: page.autosave.writer });
  assert.deepEqual(others, []);
  page.autosave.compare({ version: 3, writer: "other" });
  assert.deepEqual(others, [page]);
});

test("a try whose answer was lost is sent again under the same number", async () => {
  const desk = aDesk();
  const page = aPage({ send: async (sent) => (await desk.send(sent), Promise.reject(Object.assign(new Error("x"), { status: 0 }))) });
  page.text = "one";
  await assert.rejects(page.autosave.put());
  await assert.rejects(page.autosave.put());
  assert.equal(desk.held.version, 1);
  assert.ok(page.told.every((text) => text === "Not saved: no connection"));
});

test("a page says Saved only of what the desk has", async () => {
  const desk = aDesk();
  let arrive;
  const page = aPage({ send: (sent) => new Promise((resolve) => (arrive = () => resolve(desk.send(sent)))) });
  page.text = "one";
  const sending = page.autosave.put();
  await Promise.resolve();
  page.text = "one two";
  page.autosave.changed();
  arrive();
  await sending;
  assert.equal(desk.held.text, "one");
  assert.ok(!page.told.includes("Saved"), String(page.told));
  const rest = page.autosave.current();
  await Promise.resolve();
  await Promise.resolve();
  arrive();
  await rest;
  assert.equal(desk.held.text, "one two");
  assert.equal(page.told.at(-1), "Saved");
  page.text = "one two three";
  page.autosave.changed();
  assert.equal(page.told.at(-1), "Saving…");
  page.text = "one two";
  page.autosave.changed();
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(page.told.at(-1), "Saved", "nothing was left to send");
});

test("what was taken back while it was on its way is taken back on the desk too", async () => {
  const desk = aDesk();
  let arrive = () => {};
  const page = aPage({ send: (sent) => new Promise((resolve) => (arrive = () => resolve(desk.send(sent)))) });
  const first = page.autosave.put();
  arrive();
  await first;
  page.text = "wrong side";
  const sending = page.autosave.put();
  await Promise.resolve();
  page.text = "";
  page.autosave.changed();
  assert.equal(page.told.at(-1), "Saving…", "the wrong side is on its way");
  arrive();
  await sending;
  assert.equal(desk.held.text, "wrong side");
  await new Promise((resolve) => setTimeout(resolve, 600));
  arrive();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(desk.held.text, "");
  assert.equal(page.told.at(-1), "Saved");
});

test("after an answer that was lost the report is sent again, whatever it is", async () => {
  const desk = aDesk();
  let lost = false;
  const page = aPage({
    async send(sent) {
      await desk.send(sent);
      if (lost) throw Object.assign(new Error("x"), { status: 0 });
    },
  });
  await page.autosave.put();
  lost = true;
  page.text = "wrong side";
  await assert.rejects(page.autosave.put());
  lost = false;
  page.text = "";
  page.autosave.changed();
  assert.equal(page.told.at(-1), "Not saved: no connection");
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(desk.held.text, "");
  assert.equal(page.told.at(-1), "Saved");
});

test("a page that another has taken over from says that it saves nothing", async () => {
  const page = aPage(aDesk());
  page.text = "one";
  await page.autosave.put();
  page.autosave.compare({ version: 7, writer: "other" });
  assert.equal(page.told.at(-1), "Not saved: another tab has a newer version");
  assert.equal(page.autosave.takeUnsent(), null);
});

test("of several that send at once each waits for the one before", async () => {
  const desk = aDesk();
  let under = 0;
  const page = aPage({
    async send(sent) {
      assert.equal(++under, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under--;
      return desk.send(sent);
    },
  });
  page.text = "one";
  const versions = (await Promise.all([page.autosave.put(), page.autosave.put(), page.autosave.put()])).map((sent) => sent.version);
  assert.deepEqual(versions, [1, 2, 3]);
});

test("a page that is left gives what the desk has not, behind what is on its way", async () => {
  const desk = aDesk();
  const page = aPage(desk);
  page.text = "one";
  await page.autosave.put();
  assert.equal(page.autosave.takeUnsent(), null);
  assert.equal(aPage(aDesk()).autosave.takeUnsent(), null, "a page on which nothing was done has nothing");
  page.text = "one two";
  page.autosave.put();
  await Promise.resolve();
  page.text = "one two three";
  page.autosave.changed();
  const left = page.autosave.takeUnsent();
  assert.deepEqual([left.version, left.indication], [3, "one two three"]);
  await desk.send(left);
  // The browser has kept the page, and it is shown again.
  page.text = "four";
  await page.autosave.put();
  assert.equal(desk.held.text, "four");
});

test("a failure is told until the desk has what is on screen", async () => {
  const desk = aDesk();
  let broken = true;
  const page = aPage({ send: (sent) => (broken ? Promise.reject(Object.assign(new Error("x"), { status: 0 })) : desk.send(sent)) });
  page.text = "one";
  await assert.rejects(page.autosave.put());
  page.autosave.changed();
  assert.deepEqual(page.told, ["Not saved: no connection"]);
  broken = false;
  await page.autosave.put();
  assert.deepEqual(page.told, ["Not saved: no connection", "Saved"]);
});

test("the theme is the address's, dark where it says nothing that is known", () => {
  assert.equal(themeOf("?theme=light"), "light");
  assert.equal(themeOf(""), "dark");
  assert.equal(themeOf("?theme=pink"), "dark");
});

test("the version that the desk has is told, and sent only where it has none of this page's writing", async () => {
  const desk = aDesk(),
    page = aPage(desk);
  page.text = "one";
  const first = await page.autosave.current();
  assert.deepEqual(first, { version: 1, writer: page.autosave.writer });
  assert.deepEqual(await page.autosave.current(), first);
  page.text = "two";
  assert.equal((await page.autosave.current()).version, 2);
  assert.equal(desk.held.text, "two");

  // After a reload the version is another page's, although the text is the same.
  const again = aPage(desk);
  again.text = "two";
  again.autosave.after(2);
  again.autosave.isSaved();
  assert.deepEqual(await again.autosave.current(), { version: 3, writer: again.autosave.writer });
  assert.equal(desk.held.writer, again.autosave.writer);
});

test("while a study is being opened nothing is sent, and then what is on screen by then", async () => {
  const desk = aDesk(),
    page = aPage(desk);
  page.text = "of the first patient";
  await page.autosave.put();
  const release = await page.autosave.hold();
  page.text = "of the first patient, more";
  const sending = page.autosave.put();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(desk.held.text, "of the first patient");
  page.text = "";
  release();
  release();
  await sending;
  assert.equal(desk.held.text, "");
});

test("what is on its way when a study is to be opened has arrived before", async () => {
  let arrive = () => {};
  const page = aPage({ send: () => new Promise((resolve) => (arrive = resolve)) });
  page.text = "one";
  const sending = page.autosave.put();
  let held = false;
  const holding = page.autosave.hold().then(() => (held = true));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(held, false);
  arrive();
  await sending;
  await holding;
  assert.equal(held, true);
});
