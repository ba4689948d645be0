/*
 * The page that shows the machine live, and the JSON that keeps it so.
 *
 * The page as it is sent is a whole snapshot and needs no script. Its script asks for status.json
 * each second, on the same connection, and puts the numbers in the same places; counters become
 * what they grew by in that second.
 */
#include "arch/cpu.h"
#include "arch/mmu.h"
#include "block/block_device.h"
#include "kernel/log.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "kernel/version.h"
#include "lib/string.h"
#include "mm/page.h"
#include "net/netdev.h"
#include "net/tcp.h"
#include "shell/httpd/site.h"
#include "shell/httpd/status.h"

typedef unsigned long long ull;

#define LOG_LINES     60
#define CPU_TEXT_SIZE 160

/* ---- sums over the machine ---- */

struct totals {
    uint64_t now_ns, idle_ns;
    unsigned int cpus, tasks, connections;
    uint64_t memory_bytes, free_bytes;
    uint64_t rx_bytes, tx_bytes;
    uint64_t read_bytes, written_bytes;
};

static bool add_disk(struct block_device *device, void *arg)
{
    struct totals *totals = arg;

    if (!device->partition_number) {
        totals->read_bytes += READ_ONCE(device->statistics.read_sectors) * 512;
        totals->written_bytes += READ_ONCE(device->statistics.write_sectors) * 512;
    }
    return true;
}

static void take_totals(struct totals *totals)
{
    struct sched_statistics sched;
    struct page_statistics pages;
    struct netdev *netdev = NULL;
    unsigned int cpu;

    *totals = (struct totals){ .now_ns = clock_now_ns() };
    for_each_online_cpu(cpu) {
        sched_statistics(cpu, &sched);
        totals->idle_ns += MIN(sched.idle_ns, totals->now_ns);
        totals->cpus++;
    }
    page_statistics(&pages);
    totals->memory_bytes = (uint64_t)pages.total_pages * PAGE_SIZE;
    totals->free_bytes = (uint64_t)pages.free_pages * PAGE_SIZE;
    totals->tasks = task_count();
    totals->connections = tcp_connection_count();
    while ((netdev = netdev_next(netdev)) != NULL) {
        if (netdev->features & NETDEV_LOOPBACK)
            continue;
        totals->rx_bytes += atomic_load_relaxed(&netdev->counters.rx_bytes);
        totals->tx_bytes += atomic_load_relaxed(&netdev->counters.tx_bytes);
    }
    block_device_for_each(add_disk, totals);
}

/* ---- the log ---- */

static void write_log(struct http_response *response, bool is_json)
{
    uint64_t cursor = log_tail(LOG_LINES);
    char line[LOG_LINE_MAX];
    bool is_first = true;

    while (log_read(&cursor, line, sizeof(line)) > 0) {
        if (is_json) {
            http_response_printf(response, "%s", is_first ? "" : ",\n");
            http_write_json(response, line);
        } else {
            http_write_html(response, line);
            http_response_printf(response, "\n");
        }
        is_first = false;
    }
}

/* ---- status.json ---- */

static void write_status(struct http_response *response)
{
    struct totals totals;

    take_totals(&totals);
    http_response_printf(response, "{\"version\":");
    http_write_json(response, kernel_version);
    http_response_printf(
        response,
        ",\n\"uptime_ns\":%llu,\"wall_ms\":%llu,\"cpus\":%u,\"tasks\":%u,\"connections\":%u,\n"
        "\"idle_ns\":%llu,\"memory_bytes\":%llu,\"free_bytes\":%llu,\n"
        "\"rx_bytes\":%llu,\"tx_bytes\":%llu,\"read_bytes\":%llu,\"written_bytes\":%llu,\n"
        "\"tables\":{\n",
        (ull)totals.now_ns, (ull)(clock_wall_ns() / NS_PER_MS), totals.cpus, totals.tasks,
        totals.connections, (ull)totals.idle_ns, (ull)totals.memory_bytes, (ull)totals.free_bytes,
        (ull)totals.rx_bytes, (ull)totals.tx_bytes, (ull)totals.read_bytes,
        (ull)totals.written_bytes);
    status_write_tables(response, true, totals.now_ns);
    http_response_printf(response, "},\n\"log\":[");
    write_log(response, true);
    http_response_printf(response, "]}\n");
}
HTTPD_PAGE(status, HTTPD_LIVE_PATH "status.json", "application/json", write_status);

/* ---- the page ---- */

static const char script[] =
    "<script>\n"
    "const $=id=>document.getElementById(id),N=120,hist={};let last=null,misses=0;\n"
    "const esc=s=>String(s).replace(/[&<>\"]/g,c=>'&#'+c.charCodeAt(0)+';');\n"
    "function bytes(b){const u=['B','KiB','MiB','GiB','TiB','PiB'];let i=0;\n"
    " while(b>=1024&&i<5){b/=1024;i++}\n"
    " return (i&&b<1000?b.toFixed(1):Math.round(b))+' '+u[i]}\n"
    "function count(n){return n>=1e6?(n/1e6).toFixed(1)+' M':n>=1e4?(n/1e3).toFixed(1)+' k':\n"
    " String(Math.round(n))}\n"
    "function time(ns){let s=Math.floor(ns/1e9);const d=Math.floor(s/86400),\n"
    " h=Math.floor(s/3600)%24,m=Math.floor(s/60)%60;s%=60;\n"
    " return (d?d+' d ':'')+(d||h?h+' h ':'')+(d||h||m?m+' min ':'')+s+' s'}\n"
    "function bar(p){p=Math.max(0,Math.min(100,p));\n"
    " return '<span class=bar><i style=\"width:'+p.toFixed(1)+'%\"></i></span>'+p.toFixed(1)+'%'}\n"
    "function line(id,series,floor){const h=hist[id]=hist[id]||series.map(()=>[]);\n"
    " series.forEach((v,i)=>{h[i].push(v);if(h[i].length>N)h[i].shift()});\n"
    " const max=Math.max(floor,...h.flat())*1.05,colour=['var(--accent)','var(--accent2)'];\n"
    " $(id+'-line').innerHTML=h.map((a,i)=>{\n"
    "  const p=a.map((v,k)=>(k+N-a.length)+','+(40-v/max*38).toFixed(2)).join(' L');\n"
    "  return '<path d=\"M'+p+' L'+(N-1)+',41 L'+(N-a.length)+',41Z\" fill=\"'+colour[i]+\n"
    "   '\" opacity=\".13\"/><path d=\"M'+p+'\" fill=\"none\" stroke=\"'+colour[i]+\n"
    "   '\" stroke-width=\"1.6\"/>'}).join('')}\n"
    "function cell(v,kind,old,dt){switch(kind){\n"
    " case 'text':return '<td>'+esc(v);\n"
    " case 'bytes':return '<td class=n>'+bytes(v);\n"
    " case 'busy':return '<td>'+bar((v-old)/dt*100);\n"
    " case 'share':return '<td>'+bar(v/100);\n"
    " case 'counter':return '<td class=n>'+count(v)+' <span class=dim>'+\n"
    "  count((v-old)/dt*1e9)+'/s</span>';\n"
    " case 'bytes-counter':return '<td class=n>'+bytes(v)+' <span class=dim>'+\n"
    "  bytes((v-old)/dt*1e9)+'/s</span>';\n"
    " default:return '<td class=n>'+v}}\n"
    "function table(id,now,old,dt){const before=new Map(old.rows.map(r=>[r[0],r])),\n"
    " kinds=now.columns.map(c=>c[1]),busy=kinds.indexOf('busy');\n"
    " let rows=now.rows.map(r=>[r,before.get(r[0])||r]);\n"
    " if(now.sort)rows.sort((a,b)=>(b[0][busy]-b[1][busy])-(a[0][busy]-a[1][busy])||\n"
    "  b[0][busy]-a[0][busy]);\n"
    " $(id).tBodies[0].innerHTML=rows.map(([r,o])=>'<tr>'+\n"
    "  r.map((v,i)=>cell(v,kinds[i],o[i],dt)).join('')).join('')}\n"
    "function show(s){const o=last||s,dt=Math.max(1,s.uptime_ns-o.uptime_ns);\n"
    " if(s.uptime_ns<o.uptime_ns){last=null;return show(s)}\n"
    " $('up').textContent=time(s.uptime_ns);$('tasks-now').textContent=s.tasks;\n"
    " $('tcp-now').textContent=s.connections;\n"
    " $('clock').textContent=new Date(s.wall_ms).toISOString().slice(0,19).replace('T',' ');\n"
    " const used=s.memory_bytes-s.free_bytes,rate=k=>(s[k]-o[k])/dt*1e9;\n"
    " $('mem').innerHTML=bytes(used)+' <small>of '+bytes(s.memory_bytes)+'</small>';\n"
    " line('mem',[used/s.memory_bytes*100],100);\n"
    " if(last){const p=Math.max(0,100-(s.idle_ns-o.idle_ns)/dt/s.cpus*100);\n"
    "  $('cpu').innerHTML=p.toFixed(1)+' % <small>of '+s.cpus+' "
    "CPU'+(s.cpus>1?'s':'')+'</small>';\n"
    "  line('cpu',[p],100);\n"
    "  for(const [id,a,b,up,down] of [['net','rx_bytes','tx_bytes','in','out'],\n"
    "   ['disk','read_bytes','written_bytes','read','written']]){\n"
    "   $(id).innerHTML=bytes(rate(a))+'/s <small>'+up+'</small>';\n"
    "   $(id+'-2').textContent=bytes(rate(b))+'/s '+down;line(id,[rate(a),rate(b)],1024)}\n"
    "  for(const id in s.tables)table(id,s.tables[id],o.tables[id],dt)}\n"
    " const log=$('log'),end=log.scrollTop+log.clientHeight>=log.scrollHeight-4;\n"
    " log.textContent=s.log.join('\\n');if(end)log.scrollTop=log.scrollHeight;last=s}\n"
    "async function tick(){try{\n"
    "  const r=await fetch('" HTTPD_LIVE_PATH "status.json',\n"
    "   AbortSignal.timeout?{signal:AbortSignal.timeout(5000)}:{});\n"
    "  show(await r.json());misses=0}catch(e){misses++}\n"
    " $('state').textContent=misses>1?'no answer':'live';\n"
    " setTimeout(tick,document.hidden?5000:1000)}\n"
    "$('log').scrollTop=1e9;tick();\n"
    "</script>\n";

static void write_bytes(struct http_response *response, uint64_t bytes)
{
    if (bytes < 1024 * 1024)
        http_response_printf(response, "%llu KiB", (ull)(bytes / 1024));
    else
        http_response_printf(response, "%llu MiB", (ull)(bytes / (1024 * 1024)));
}

/* A tile of two directions: bytes since boot, until the script makes rates of them. */
static void write_traffic_tile(struct http_response *response, const char *id, const char *title,
                               uint64_t in, const char *in_name, uint64_t out, const char *out_name)
{
    http_response_printf(
        response, "<section class=\"card tile\"><h2>%s</h2><div class=big id=\"%s\">", title, id);
    write_bytes(response, in);
    http_response_printf(response, " <small>%s</small></div><div class=dim id=\"%s-2\">", in_name,
                         id);
    write_bytes(response, out);
    http_response_printf(response,
                         " %s</div><svg id=\"%s-line\" viewBox=\"0 0 119 41\" "
                         "preserveAspectRatio=none></svg></section>\n",
                         out_name, id);
}

static void write_tiles(struct http_response *response, const struct totals *totals)
{
    uint64_t all_ns = totals->now_ns * totals->cpus;
    uint64_t busy = all_ns ? (all_ns - totals->idle_ns) / (all_ns / 1000 + 1) : 0;
    char model[CPU_TEXT_SIZE];

    cpu_describe(0, model, sizeof(model));
    model[strcspn(model, "(,")] = '\0'; /* its features follow */

    http_response_printf(response,
                         "<div class=tiles>\n<section class=\"card tile\"><h2>CPU</h2><div "
                         "class=big id=cpu>%llu.%llu %% <small>since boot</small></div><div "
                         "class=dim>",
                         (ull)(busy / 10), (ull)(busy % 10));
    http_write_html(response, model + strcspn(model, " ")); /* without who made it */
    http_response_printf(response,
                         "</div><svg id=cpu-line viewBox=\"0 0 119 41\" "
                         "preserveAspectRatio=none></svg></section>\n"
                         "<section class=\"card tile\"><h2>Memory</h2><div class=big id=mem>");
    write_bytes(response, totals->memory_bytes - totals->free_bytes);
    http_response_printf(response, " <small>of ");
    write_bytes(response, totals->memory_bytes);
    http_response_printf(response, "</small></div><div class=dim>in use</div><svg id=mem-line "
                                   "viewBox=\"0 0 119 41\" preserveAspectRatio=none></svg>"
                                   "</section>\n");
    write_traffic_tile(response, "net", "Network", totals->rx_bytes, "in", totals->tx_bytes, "out");
    write_traffic_tile(response, "disk", "Disks", totals->read_bytes, "read", totals->written_bytes,
                       "written");
    http_response_printf(response, "</div>\n");
}

static void write_header(struct http_response *response, const struct totals *totals)
{
    struct calendar_time now;

    calendar_from_unix(clock_wall_ns() / NS_PER_S, &now);
    http_response_printf(response, "<main>\n<header><h1>nos</h1><span class=dim>");
    http_write_html(response, kernel_version);
    http_response_printf(
        response,
        "</span><span class=grow></span><span class=dim><span id=tasks-now>%u</span> tasks "
        "&middot; <span id=tcp-now>%u</span> TCP connections &middot; up <span id=up>%llu "
        "s</span> &middot; <span id=clock>%04u-%02u-%02u %02u:%02u:%02u</span> UTC &middot; "
        "<span id=state>snapshot</span></span></header>\n",
        totals->tasks, totals->connections, (ull)(totals->now_ns / NS_PER_S), now.year, now.month,
        now.day, now.hour, now.minute, now.second);
}

static void write_live(struct http_response *response)
{
    struct totals totals;

    take_totals(&totals);
    httpd_write_page_start(response, "nos");
    write_header(response, &totals);
    write_tiles(response, &totals);
    status_write_tables(response, false, totals.now_ns);
    http_response_printf(response, "<section class=card><h2>Log</h2><pre id=log>");
    write_log(response, false);
    http_response_printf(response,
                         "</pre></section>\n<p class=dim><a "
                         "href=\"/metrics\">metrics</a> &middot; <a href=\"" HTTPD_LIVE_PATH
                         "status.json\">status.json</a></p>\n</main>\n%s",
                         script);
}
HTTPD_PAGE(live, HTTPD_LIVE_PATH, "text/html; charset=utf-8", write_live);
