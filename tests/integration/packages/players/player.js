// Plays a package with hls.js or Shaka Player, and records what happens. `start` returns what a test can ask of either.
window.errors = [];
window.video = document.querySelector('video');
video.muted = true;
video.addEventListener('error', () => errors.push(`video: ${video.error.message}`));

async function startHls(url, token) {
  const setup = token ? { xhrSetup: xhr => xhr.setRequestHeader('Authorization', `Bearer ${token}`) } : {};
  const hls = new Hls(setup);
  await new Promise((done, fail) => {
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (data.details === 'aborted' && !data.fatal) return;  // a request that it gave up itself, for a seek or a switch
      errors.push(`hls.js: ${data.details} ${data.error || ''}`); fail(errors.at(-1));
    });
    hls.on(Hls.Events.MANIFEST_PARSED, done);
    hls.loadSource(url);
    hls.attachMedia(video);
  });
  hls.subtitleDisplay = true;
  return {
    sizes: () => hls.levels.map(level => level.height),
    play: size => { hls.currentLevel = hls.levels.findIndex(level => level.height === size); },
    sounds: () => hls.audioTracks.map(track => track.lang),
    hear: number => { hls.audioTrack = number; },
    captions: () => hls.subtitleTracks.map(track => track.lang),
    show: number => { hls.subtitleTrack = number; },
    thumbnails: () => 0,
    stop: () => hls.destroy(),
  };
}

async function startShaka(url, token) {
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  player.configure({ abr: { enabled: false } });
  player.addEventListener('error', event => errors.push(`shaka: ${event.detail.code} ${event.detail.data}`));
  if (token) player.getNetworkingEngine().registerRequestFilter((_, asked) => { asked.headers.Authorization = `Bearer ${token}`; });
  try { await player.load(url); } catch (error) { errors.push(`shaka: ${error.code} ${error.data}`); throw new Error(errors.at(-1)); }
  const sorted = () => [...new Set(player.getVariantTracks().map(track => track.height))];
  const languages = () => player.getAudioTracks();
  return {
    sizes: sorted,
    play: size => {
      const now = player.getVariantTracks().find(track => track.active);
      player.selectVariantTrack(player.getVariantTracks().find(track => track.height === size && track.language === now.language), true);
    },
    sounds: () => languages().map(track => track.language),
    hear: number => player.selectAudioTrack(languages()[number]),
    captions: () => player.getTextTracks().map(track => track.language),
    show: number => player.selectTextTrack(player.getTextTracks()[number]),
    thumbnails: () => player.getImageTracks().length,
    stop: () => player.destroy(),
  };
}

window.start = async (player, url, token) => { window.playing = await (player === 'hls' ? startHls : startShaka)(url, token); };
window.shown = () => [...video.textTracks].filter(track => track.mode === 'showing').flatMap(track => [...(track.activeCues || [])]).map(cue => cue.text);
