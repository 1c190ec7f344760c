import { createHash } from "node:crypto";

const chunkBytes = 65_536;

/** `totalBytes` of content that is the same every time and never repeats within 16 GB, in chunks. */
export function* contentChunks(totalBytes: number): Generator<Buffer> {
  for (let offset = 0; offset < totalBytes; offset += chunkBytes) {
    const words = new Uint32Array(chunkBytes / 4);
    const firstWord = offset / 4;
    // An odd factor: every word of the content is another one.
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(firstWord + i, 0x9e3779b1);
    yield Buffer.from(words.buffer, 0, Math.min(chunkBytes, totalBytes - offset));
  }
}

export function contentSha256(totalBytes: number): string {
  const hash = createHash("sha256");
  for (const chunk of contentChunks(totalBytes)) hash.update(chunk);
  return hash.digest("hex");
}
