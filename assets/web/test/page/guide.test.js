import assert from "node:assert/strict";
import { test } from "node:test";
import { sentenceThatFollows } from "../../src/page/guide.js";

const said = (impression) =>
  sentenceThatFollows(`FINDINGS:\nNormal heart. Right pleural effusion. No pneumothorax.\n\nIMPRESSION:\n${impression}`);

test("the example locks the sentence of the impression that says again what is locked, and no other", () => {
  assert.equal(said("Small right pleural effusion."), "Small right pleural effusion.");
  assert.equal(said("1. Cardiomegaly. 2. Right effusion, unchanged."), "Right effusion, unchanged.");
  for (const impression of ["", "No acute disease.", "No right pleural effusion.", "Left pleural effusion.", "Moderate right pleural effusion.", "Right effusion has resolved."])
    assert.equal(said(impression), null);
  assert.equal(sentenceThatFollows("Right pleural effusion."), null);
});
