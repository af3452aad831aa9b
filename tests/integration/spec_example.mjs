// The integration example of the published API, as it stands there. Node runs it: Node has `fetch`, `FormData` and `File`.
import { readFile } from 'node:fs/promises';

const example = `
// 1. Upload file to Directus
const formData = new FormData();
formData.append('file', videoFile);

const uploadRes = await fetch('http://127.0.0.1:8055/files', {
  method: 'POST',
  headers: { 'Authorization': \`Bearer \${directusToken}\` },
  body: formData,
});
const { data: fileData } = await uploadRes.json();
const fileId = fileData.id;

// 2. Create media_jobs record
const jobRes = await fetch('http://127.0.0.1:8055/items/media_jobs', {
  method: 'POST',
  headers: {
    'Authorization': \`Bearer \${directusToken}\`,
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({
    operation: 'transcoding',
    input_file_id: fileId,
    status: 'pending',
    params: { format: 'mp4', resolution: '1080p' },
  }),
});
const { data: jobData } = await jobRes.json();
const jobId = jobData.id;

// 3. Enqueue in BullMQ
const enqueueRes = await fetch('http://localhost:3001/api/queue/media', {
  method: 'POST',
  headers: {
    'Authorization': \`Bearer \${directusToken}\`,
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({
    jobId,
    operation: 'transcoding',
    input_file_id: fileId,
    params: { format: 'mp4', resolution: '1080p' },
    priority: 5,
  }),
});
const { ok, bullJobId } = await enqueueRes.json();

console.log(\`Job enqueued: \${bullJobId}\`);

// 4. Poll for completion
const pollInterval = setInterval(async () => {
  const statusRes = await fetch(\`http://127.0.0.1:8055/items/media_jobs/\${jobId}\`, {
    headers: { 'Authorization': \`Bearer \${directusToken}\` },
  });
  const { data } = await statusRes.json();
  
  if (data.status === 'completed') {
    console.log('Job completed!', data.output_file_id);
    clearInterval(pollInterval);
  } else if (data.status === 'failed') {
    console.error('Job failed:', data.error);
    clearInterval(pollInterval);
  }
}, 2000);
`;

const { DIRECTUS, API, TOKEN, CLIP } = process.env;
const videoFile = new File([await readFile(CLIP)], 'clip.mp4', { type: 'video/mp4' });
const source = example.replaceAll('http://127.0.0.1:8055', DIRECTUS).replaceAll('http://localhost:3001', API);
const AsyncFunction = (async () => {}).constructor;
await new AsyncFunction('videoFile', 'directusToken', source)(videoFile, TOKEN);
