/** What runs in the pages, as text: it is evaluated there, where there are a window and no modules. */

/** Makes an offer, with all candidates in it. */
export const OFFER = `(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  window.connection = new RTCPeerConnection();
  for (const track of stream.getTracks()) connection.addTrack(track, stream);
  const sender = connection.getSenders().find(({ track }) => track.kind === "video");
  await connection.setLocalDescription();
  const parameters = sender.getParameters();
  parameters.encodings[0].maxBitrate = MOST_BITS_PER_S;
  parameters.degradationPreference = "maintain-resolution";
  await sender.setParameters(parameters);
  await gathered(connection);
  return connection.localDescription.sdp;
})()`;

/** Takes an offer; notes when each frame of the video is there to be shown, and answers. */
export const ANSWER = `(async (sdp) => {
  // With a camera allowed, a page may know all addresses of its host.
  await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  window.connection = new RTCPeerConnection();
  window.frameTimes = [];
  connection.ontrack = ({ track, streams }) => {
    const element = document.createElement(track.kind);
    element.srcObject = streams[0];
    element.play();
    document.body.append(element);
    if (track.kind === "video") noteFrames(track);
  };
  const noteFrames = async (track) => {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      frameTimes.push(performance.now());
      value.close();
    }
  };
  return answer(sdp);
})`;

/** Of the one who was called, to any offer. */
export const ANSWER_AGAIN = `answer`;

/** Of the caller. */
export const ACCEPT = `((sdp) => connection.setRemoteDescription({ type: "answer", sdp }))`;

/** The caller looks for other ways as soon as the connection is broken, as many applications do: a new offer, or none. */
export const RESTART = `(async () => {
  if (connection.iceConnectionState !== "disconnected" && connection.iceConnectionState !== "failed") return "";
  if (connection.signalingState !== "stable") return "";
  await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
  await gathered(connection);
  return connection.localDescription.sdp;
})()`;

/** What both need: to wait until all addresses are known, and to answer. */
export const COMMON = `window.answer = async (sdp) => {
  await connection.setRemoteDescription({ type: "offer", sdp });
  await connection.setLocalDescription();
  await gathered(connection);
  return connection.localDescription.sdp;
};
window.gathered = (connection) => new Promise((resolve) => {
  const look = () => connection.iceGatheringState === "complete" && resolve();
  connection.addEventListener("icegatheringstatechange", look);
  look();
}); undefined`;

/** Begins to look at what has come, again and again. */
export const WATCH = `(() => {
  window.samples = [];
  window.began = performance.now();
  setInterval(async () => {
    const sample = { atS: (performance.now() - began) / 1000 };
    for (const stats of (await connection.getStats()).values()) {
      if (stats.type !== "inbound-rtp") continue;
      const { bytesReceived, packetsLost, packetsReceived, estimatedPlayoutTimestamp, timestamp } = stats;
      // What is heard now was said so long ago: by the sender's clock, which counts from 1900 and is the same machine's.
      const delayMs = timestamp + 2_208_988_800_000 - estimatedPlayoutTimestamp;
      sample[stats.kind] = { bytesReceived, packetsLost, packetsReceived, delayMs };
    }
    samples.push(sample);
  }, 250);
})()`;

export const WATCHED = `({ samples, shownS: frameTimes.map((atMs) => (atMs - began) / 1000) })`;

export interface Watched {
  samples: Sample[];
  shownS: number[];
}

/** All since the call began. */
export interface Sample {
  atS: number;
  audio?: Received;
  video?: Received;
}

interface Received {
  bytesReceived: number;
  packetsLost: number;
  packetsReceived: number;
  /** Of what is played, from the sender's microphone; not a number before the sender has told the time. */
  delayMs: number | null;
}
