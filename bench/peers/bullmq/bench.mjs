// BullMQ's side of the benches: `node bench.mjs COMMAND < JSON`, one line of JSON as the answer. The settings are those of the
// server that mediaq replaces: three attempts, exponential backoff, 100 and 1000 finished jobs kept.
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const redis = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const defaultJobOptions = {
  attempts: 3, backoff: { type: 'exponential', delay: 2000 }, removeOnComplete: 100, removeOnFail: 1000,
};
const queue = new Queue('media', { connection: redis, defaultJobOptions });

// Seconds that Redis computed.
const cpu = async () => {
  const info = await redis.info('cpu');
  return ['user', 'sys'].reduce((sum, kind) => sum + Number(info.match(new RegExp(`used_cpu_${kind}:([\\d.]+)`))[1]), 0);
};

// Run `call(index)` for every index, `concurrency` at a time.
const each = async (count, concurrency, call) => {
  let next = 0;
  const lane = async () => { while (next < count) await call(next++); };
  await Promise.all(Array.from({ length: concurrency }, lane));
};

const measured = async (count, run) => {
  const before = await cpu();
  const started = process.hrtime.bigint();
  await run();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return { seconds, redis_seconds: await cpu() - before, count };
};

// A worker that takes `count` jobs through `work`, and then closes.
const drain = async (count, concurrency, work) => {
  let left = count;
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
  const worker = new Worker('media', work, { connection, concurrency, autorun: false });
  worker.on('completed', () => { if (--left === 0) done(); });
  await worker.waitUntilReady();
  const figures = await measured(count, async () => { worker.run(); await all; });
  await worker.close();
  connection.disconnect();
  return figures;
};

const add = (job) => queue.add('media', job.data, { jobId: job.id, priority: job.priority });

const commands = {
  admit: ({ jobs, concurrency }) => measured(jobs.length, () => each(jobs.length, concurrency, (index) => add(jobs[index]))),

  drain: ({ count, concurrency }) => drain(count, concurrency, async () => undefined),

  // The order in which jobs are run, one at a time.
  order: async ({ count }) => {
    const ran = [];
    await drain(count, 1, async (job) => { ran.push(job.id); });
    return ran;
  },

  // Microseconds that the counts take, on average.
  stats: async ({ times }) => {
    const started = process.hrtime.bigint();
    for (let round = 0; round < times; round += 1) await queue.getJobCounts();
    return Number(process.hrtime.bigint() - started) / 1e3 / times;
  },

  // Work at BullMQ's own settings until killed; a line for every job that starts.
  work: async ({ concurrency, milliseconds }) => {
    const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
    new Worker('media', async (job) => { console.log(job.id); await sleep(milliseconds); }, { connection, concurrency });
    await new Promise(() => {});
  },
};

const [, , name] = process.argv;
let text = '';
for await (const piece of process.stdin) text += piece;
console.log(JSON.stringify(await commands[name](text ? JSON.parse(text) : {})));
await queue.close();
redis.disconnect();
