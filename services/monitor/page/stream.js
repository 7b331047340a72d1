// SPDX-License-Identifier: MIT
// Server-Sent Events by fetch(), because EventSource cannot carry a token.
import { open, reason } from "./access.js";
import { say } from "./words.js";

const AGAIN_MS = 1000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Blocks of a stream's text: {id, event, data}.
function* blocks(text) {
  for (const block of text.split("\n\n")) {
    const found = {};
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) found[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
    }
    if (found.event) yield found;
  }
}

// Read a stream until it ends; hear(event, data, id) for each block. Throws when it cannot be had or breaks.
export async function read(path, hear, { headers = {}, signal, begun = () => {} } = {}) {
  const answer = await open(path, { headers, signal });
  if (!answer.ok) throw new Error(await reason(answer));
  begun();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (rest + value).lastIndexOf("\n\n");
    const text = rest + value;
    rest = whole < 0 ? text : text.slice(whole + 2);
    if (whole >= 0) for (const { event, data, id } of blocks(text.slice(0, whole))) hear(event, JSON.parse(data), id);
  }
}

// Listen for ever: what breaks is taken up again behind the last id that came. begun() at each beginning,
// broke(words) when it could not begin or broke.
export async function listen(path, hear, begun, broke) {
  let last = null;
  for (;;) {
    try {
      await read(path, (event, data, id) => { last = id || last; hear(event, data); }, { headers: last ? { "Last-Event-ID": last } : {}, begun });
    } catch (fault) { broke(fault instanceof TypeError ? say("unreachable") : fault.message); }
    await pause(AGAIN_MS);
  }
}
