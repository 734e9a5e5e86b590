// Cine: the images one after the other, round and round, at a speed. A late image holds the next one up, none is skipped.

export const SPEEDS = [5, 10, 15, 25, 30];

/** @param {{next: () => Promise<void>, onChange: (playing: boolean) => void}} show */
export function createCine({ next, onChange }) {
  let timer = 0,
    speed = 10,
    run = 0;

  async function play(mine) {
    const due = performance.now() + 1000 / speed;
    await next();
    if (run !== mine) return;
    timer = setTimeout(() => play(mine), Math.max(0, due - performance.now()));
  }
  const cine = {
    get playing() {
      return run > 0;
    },
    toggle() {
      if (cine.playing) cine.stop();
      else {
        run = ++started;
        onChange(true);
        play(run);
      }
    },
    stop() {
      clearTimeout(timer);
      if (!cine.playing) return;
      run = 0;
      onChange(false);
    },
    setSpeed(imagesASecond) {
      speed = imagesASecond;
    },
  };
  return cine;
}
let started = 0;
