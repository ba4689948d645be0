/*
 * How the pages look: one style sheet, in the page itself, for large screens and small, light and
 * dark.
 */
#include "shell/httpd/site.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#1c2128;--dim:#656d76;"
    "--line:#e3e6ea;--accent:#2563eb;--accent2:#0d9488;--bar:#e8ebef;--shadow:0 1px 3px #0001}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--card:#161b22;--text:#e6edf3;"
    "--dim:#8b949e;--line:#262c36;--accent:#58a6ff;--accent2:#2dd4bf;--bar:#262c36;"
    "--shadow:none}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--bg);color:var(--text);"
    "font:15px/1.45 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    "main{max-width:1180px;margin:0 auto;padding:20px 16px 40px}\n"
    "main.card{max-width:900px;width:calc(100% - 24px);margin:24px auto;padding:20px 24px}\n"
    "header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 16px;margin:4px 0 18px}\n"
    "h1{font-size:24px;margin:0;letter-spacing:-.02em;overflow-wrap:anywhere}\n"
    "h2{font-size:13px;margin:0 0 10px;font-weight:600;color:var(--dim);"
    "text-transform:uppercase;letter-spacing:.05em}\n"
    "a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}\n"
    ".dim{color:var(--dim)}.grow{flex:1}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:16px;box-shadow:var(--shadow);min-width:0}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:14px;"
    "margin-bottom:14px}\n"
    ".tile{padding-bottom:12px}.tile .dim{overflow:hidden;text-overflow:ellipsis;"
    "white-space:nowrap}\n"
    ".big{font-size:26px;font-weight:600;letter-spacing:-.02em;line-height:1.15;"
    "white-space:nowrap}\n"
    ".big small{font-size:14px;font-weight:400;color:var(--dim);letter-spacing:0}\n"
    "svg{display:block;width:100%;height:44px;margin-top:8px}\n"
    "svg path{vector-effect:non-scaling-stroke}\n"
    "section{overflow-x:auto}.columns>section,main>section{margin-bottom:14px}\n"
    ".columns{margin-bottom:14px}.columns>section:last-child{margin-bottom:0}\n"
    "@media(min-width:860px){.columns{columns:2;column-gap:14px}"
    ".columns>section{break-inside:avoid}}\n"
    "table{border-collapse:collapse;width:100%;font-size:14px}\n"
    "th{font-weight:500;color:var(--dim);text-align:left;font-size:12.5px}\n"
    "th,td{padding:4px 14px 4px 0;white-space:nowrap;border-bottom:1px solid var(--line);"
    "vertical-align:middle}\n"
    "th:last-child,td:last-child{padding-right:0}\n"
    "tbody tr:last-child td{border-bottom:0}\n"
    "tbody:empty::before{content:\"none\";color:var(--dim)}\n"
    ".n{text-align:right}\n"
    ".bar{display:inline-block;width:84px;height:8px;border-radius:4px;background:var(--bar);"
    "margin-right:8px;overflow:hidden;vertical-align:middle}\n"
    ".bar i{display:block;height:100%;background:var(--accent);border-radius:4px}\n"
    "main.card td:first-child{white-space:normal;overflow-wrap:anywhere;width:99%}\n"
    "pre{margin:0;font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
    "overflow-x:auto;max-height:30em}\n"
    "@media(max-width:600px){h1{font-size:21px}main.card{margin:12px auto;padding:14px}"
    ".tiles{grid-template-columns:1fr 1fr;gap:10px}.card{padding:12px}.big{font-size:20px}}\n";

void httpd_write_page_start(struct http_response *response, const char *title)
{
    http_response_printf(response,
                         "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                         "<title>");
    http_write_html(response, title);
    http_response_printf(response, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
}
