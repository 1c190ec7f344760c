// usage: node trace.mjs profile seconds cc checkout [set...]
import { PROFILES } from "./dist/tools/experiments/profiles.js";
import { upNetwork } from "./dist/tools/experiments/network.js";
import { mpipWay } from "./dist/tools/experiments/ways.js";
import { iperf3 } from "./dist/tools/lab/index.js";
import { ControlClient } from "./dist/src/control/client.js";
import { join } from "node:path";
const [,, name, seconds="10", cc="cubic", checkout=process.cwd(), patch="{}", flows="1", rev=""] = process.argv;
const profile = PROFILES.find(p=>p.name===name);
const network = await upNetwork(profile.lines);
try {
  const way = await mpipWay({name:"x", patch: JSON.parse(patch), checkout}).start(network);
  try {
    const ctl = [];
    for (const d of way.daemons) ctl.push(await ControlClient.connect(join(d.directory,"run","mpip0.sock")));
    const rows=[]; const t0=Date.now(); let stop=false;
    const prev={};
    const poll=(async()=>{ while(!stop){ const [p,st,st2]=await Promise.all([ctl[0].call("paths"),ctl[0].call("status"),ctl[1].call("status")]);
      const t=((Date.now()-t0)/1000).toFixed(2);
      const line=[t]; for(const x of p){ const k=x.name; const d=(x.sentBytes-(prev[k]??0)); prev[k]=x.sentBytes; line.push(`${x.name.slice(0,3)} ${x.state[0]} q${((x.queueNowUs??x.queuingUs??0)/1000).toFixed(0)} m${((x.queuingUs??0)/1000).toFixed(0)} L${((x.lossQueueUs??0)/1000).toFixed(0)} r${((x.rttUs??0)/1000).toFixed(0)} C${((x.capacityBytesPerS??0)*8/1e6).toFixed(1)} tx${(d*8/1e6/0.25).toFixed(1)} loss${(x.loss*100).toFixed(1)}`);}
      const r=st.repair??{}, o=st2.reordering; line.push(`rep ${r.repaired} sig ${r.signalled} late ${r.late} gu ${r.givenUp} resc ${r.rescued} | rx miss ${st2.repair?.missed} held ${o.held} ev ${o.byEvidence} t ${o.byTime} full ${o.byFullness}`);
      rows.push(line.join(" | ")); await new Promise(r=>setTimeout(r,250)); } })();
    const res = await iperf3(network.client, network.server, {to: way.server, from: way.client, durationS:+seconds, intervalMs:250, congestion:cc, parallel:+flows, reverse: rev==="rev"});
    stop=true; await poll;
    const ss = null;
    const iv=res.intervals.map(i=>(i.bitsPerS/1e6).toFixed(0));
    for(let i=0;i<rows.length;i++) console.log((iv[i]??"-").padStart(4), rows[i]);
    console.log("TOTAL", (res.receivedBitsPerS/1e6).toFixed(2), "retr", res.retransmits);
    const st=await ctl[1].call("status"); console.log(JSON.stringify(st.drops)); const st0=await ctl[0].call("status"); console.log(JSON.stringify(st0.drops));
    for(const l of network.links) if(l.counters) console.log(JSON.stringify(await l.counters?.()));
    for(const c of ctl) c.close?.();
  } finally { await way.stop(); }
} finally { await network.lab.down(); }
process.exit(0);
