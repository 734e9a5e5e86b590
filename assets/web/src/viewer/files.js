// Files that were chosen or dropped, several of them packed into one for the way to the desk. Knows nothing of the page.

/** Images of a radiograph are large and of a series many; this many names are looked at, no more. */
const MOST_FILES = 2000;
const BLOCK = 512;

/** @param {DataTransfer} transfer @returns {Promise<File[]>} all files of what was dropped, folders opened */
export async function droppedFiles(transfer) {
  // Entries have to be asked for before anything is waited for.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files = [];
  while (entries.length && files.length <= MOST_FILES) {
    const entry = entries.shift();
    if (entry.isFile) files.push(await fileOf(/** @type {FileSystemFileEntry} */ (entry)));
    else entries.push(...(await entriesIn(entry)));
  }
  return files;
}

/** @param {FileSystemFileEntry} entry @returns {Promise<File>} */
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/** @param {any} folder */
async function entriesIn(folder) {
  const reader = folder.createReader(),
    all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/**
 * One file as it is; several as a TAR file. Their names stay here, as they may be the patient's: the files are numbered
 * in the order of their names.
 * @param {File[]} files @returns {{body: Blob, name: string}} `name` is for the screen alone
 */
export function packed(files) {
  if (files.length > MOST_FILES) throw new Error(`Too many files at once. The limit is ${MOST_FILES}.`);
  if (files.length === 1) return { body: files[0], name: files[0].name };
  const path = (file) => file.webkitRelativePath || file.name;
  const sorted = files
    .filter(({ size }) => size)
    .sort((a, b) => path(a).localeCompare(path(b), "en", { numeric: true }));
  if (!sorted.length) throw new Error("These files are empty.");
  const parts = sorted.flatMap((file, n) => [
    header(String(n + 1), file.size),
    file,
    new Uint8Array((BLOCK - (file.size % BLOCK)) % BLOCK),
  ]);
  return { body: new Blob([...parts, new Uint8Array(2 * BLOCK)]), name: `${sorted.length} files` };
}

/** A file's header in a TAR file (POSIX ustar). @param {string} name @param {number} size */
export function header(name, size) {
  const block = new Uint8Array(BLOCK);
  const put = (at, text) => block.set(new TextEncoder().encode(text), at);
  put(0, name);
  put(100, "0000600\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${size.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\0" + "00");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}
