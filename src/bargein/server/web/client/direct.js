// The page's own connection with the model, by WebRTC. Our server makes the call (its key stays there), and joins it; the
// sound goes straight there and back. Stopping is ours: the loudspeaker here falls silent at once, and what the model
// goes on making is cancelled and cleared on the data channel.

const CHANNEL = "oai-events";
const GATHER_MS = 1500; // candidates that come later are not waited for

export class DirectLine {
  // ask(offer): posts it, and gives { answer, name, at }. onEvent(event): every one of the model's. onSound("started" or "stopped").
  // onLost(why).
  constructor({ ask, onEvent, onSound, onLost }) {
    this.ask = ask;
    this.onEvent = onEvent;
    this.onSound = onSound;
    this.onLost = onLost;
    this.response = null; // the one that the model makes
    this.playing = null; // the one whose sound it sends
  }

  // track: what the model hears. Resolves to { name, at, stream } when the answer is there.
  async open(track) {
    this.peer = new RTCPeerConnection();
    const stream = new Promise((resolve) => {
      this.peer.ontrack = (e) => resolve(e.streams[0] ?? new MediaStream([e.track]));
    });
    this.sender = this.peer.addTrack(track, new MediaStream([track]));
    this.channel = this.peer.createDataChannel(CHANNEL);
    this.channel.onmessage = (e) => this.event(JSON.parse(e.data));
    this.peer.onconnectionstatechange = () => {
      if (this.peer.connectionState === "failed") this.onLost("The connection with the realtime model is lost.");
    };
    await this.peer.setLocalDescription(await this.peer.createOffer());
    await this.gathered();
    const { answer, name, at } = await this.ask(this.peer.localDescription.sdp);
    await this.peer.setRemoteDescription({ type: "answer", sdp: answer });
    return { name, at, stream: await stream };
  }

  // Another microphone: what the model hears from now on. spoken(): its track.
  hear(spoken) {
    this.sender?.replaceTrack(spoken()).catch(() => {});
  }

  gathered() {
    if (this.peer.iceGatheringState === "complete") return null;
    return new Promise((resolve) => {
      this.peer.onicegatheringstatechange = () => this.peer.iceGatheringState === "complete" && resolve();
      setTimeout(resolve, GATHER_MS);
    });
  }

  event(e) {
    if (e.type === "response.created") this.response = e.response.id;
    else if (e.type === "response.done" && e.response.id === this.response) this.response = null;
    else if (e.type === "output_audio_buffer.started") this.playing = e.response_id;
    else if (e.type === "output_audio_buffer.stopped" || e.type === "output_audio_buffer.cleared") this.playing = null;
    const sound = /^output_audio_buffer\.(started|stopped)$/.exec(e.type);
    if (sound) this.onSound(sound[1]);
    this.onEvent(e);
  }

  // The reply is over: what is being made is not wanted, and what was sent is not to sound. Each only if it is so; our
  // server does the same by its own way, and the first of them is right.
  cut() {
    if (this.response) this.send({ type: "response.cancel", response_id: this.response });
    if (this.playing) this.send({ type: "output_audio_buffer.clear" });
    this.response = this.playing = null;
  }

  send(event) {
    if (this.channel?.readyState === "open") this.channel.send(JSON.stringify(event));
  }

  close() {
    this.channel?.close();
    this.peer?.close();
  }
}
