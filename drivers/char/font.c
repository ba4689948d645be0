/*
 * The font is kept as pen strokes. Each pair of characters is a point: column 0-7, row 0-f in
 * hexadecimal; points in sequence are joined by lines, a blank lifts the pen, a point alone is a
 * dot. Capitals stand in rows 2 to b, small letters from 5, tails reach e; column 7 is the gap.
 */
#include "drivers/char/font.h"

#include "kernel/init.h"
#include "lib/compiler.h"
#include "lib/ctype.h"

#define FIRST ' '
#define LAST  '~'

static const char *const strokes[] = {
    [' ' - FIRST] = "",
    ['!' - FIRST] = "3238 3b",
    ['"' - FIRST] = "2225 5255",
    ['#' - FIRST] = "232a 535a 1565 1868",
    ['$' - FIRST] = "6453231416275768695a2a19 313c",
    ['%' - FIRST] = "2213243322 594a5b6a59 621b",
    ['&' - FIRST] = "6b252332425354181a2b4b68",
    ['\'' - FIRST] = "3235",
    ['(' - FIRST] = "51333a5c",
    [')' - FIRST] = "21434a2c",
    ['*' - FIRST] = "3339 0468 0864",
    ['+' - FIRST] = "343a 0767",
    [',' - FIRST] = "3a3b2d",
    ['-' - FIRST] = "1767",
    ['.' - FIRST] = "3a3b4b4a",
    ['/' - FIRST] = "621c",
    ['0' - FIRST] = "22131a2b5b6a635222 2954",
    ['1' - FIRST] = "14323b 1b5b",
    ['2' - FIRST] = "13225263651b6b",
    ['3' - FIRST] = "132252636556676a5b2b1a 3656",
    ['4' - FIRST] = "5b521868",
    ['5' - FIRST] = "62121656676a5b2b1a",
    ['6' - FIRST] = "5222131a2b5b6a67562617",
    ['7' - FIRST] = "1262373b",
    ['8' - FIRST] = "221315265665635222 26171a2b5b6a6756",
    ['9' - FIRST] = "2b5b6a6352221316275766",
    [':' - FIRST] = "3637 3a3b",
    [';' - FIRST] = "3637 3a3b2d",
    ['<' - FIRST] = "63176b",
    ['=' - FIRST] = "1666 1969",
    ['>' - FIRST] = "13671b",
    ['?' - FIRST] = "13225263643738 3b",
    ['@' - FIRST] = "5535385855 5868635222131a2b5b6a",
    ['A' - FIRST] = "1b153242656b 1868",
    ['B' - FIRST] = "121b5b6a675616 1252636556",
    ['C' - FIRST] = "635222131a2b5b6a",
    ['D' - FIRST] = "121b4b69644212",
    ['E' - FIRST] = "62121b6b 1656",
    ['F' - FIRST] = "62121b 1656",
    ['G' - FIRST] = "635222131a2b5b6a6747",
    ['H' - FIRST] = "121b 626b 1666",
    ['I' - FIRST] = "2242 2b4b 323b",
    ['J' - FIRST] = "626a5b2b1a19",
    ['K' - FIRST] = "121b 62176b",
    ['L' - FIRST] = "121b6b",
    ['M' - FIRST] = "1b123545626b",
    ['N' - FIRST] = "1b126b62",
    ['O' - FIRST] = "22131a2b5b6a635222",
    ['P' - FIRST] = "1b125263665717",
    ['Q' - FIRST] = "22131a2b5b6a635222 496c",
    ['R' - FIRST] = "1b125263665717 376b",
    ['S' - FIRST] = "63522213152656676a5b2b1a",
    ['T' - FIRST] = "0262 323b",
    ['U' - FIRST] = "121a2b5b6a62",
    ['V' - FIRST] = "023b62",
    ['W' - FIRST] = "021b365b62",
    ['X' - FIRST] = "126b 621b",
    ['Y' - FIRST] = "023662 363b",
    ['Z' - FIRST] = "12621b6b",
    ['[' - FIRST] = "52323c5c",
    ['\\' - FIRST] = "126c",
    [']' - FIRST] = "22424c2c",
    ['^' - FIRST] = "143254",
    ['_' - FIRST] = "0d7d",
    ['`' - FIRST] = "2243",
    ['a' - FIRST] = "2555666b 6828191a2b5b6a",
    ['b' - FIRST] = "121b 162555666a5b2b1a",
    ['c' - FIRST] = "665525161a2b5b6a",
    ['d' - FIRST] = "626b 665525161a2b5b6a",
    ['e' - FIRST] = "1868665525161a2b5b6a",
    ['f' - FIRST] = "6242333b 1656",
    ['g' - FIRST] = "656d5e2e1d 66552516192a5a69",
    ['h' - FIRST] = "121b 162555666b",
    ['i' - FIRST] = "25353b 1b5b 3233",
    ['j' - FIRST] = "45555d4e2e1d 5253",
    ['k' - FIRST] = "121b 5519 376b",
    ['l' - FIRST] = "22323b 1b5b",
    ['m' - FIRST] = "050b 061525363b 364555666b",
    ['n' - FIRST] = "151b 162555666b",
    ['o' - FIRST] = "25161a2b5b6a665525",
    ['p' - FIRST] = "151e 162555666a5b2b1a",
    ['q' - FIRST] = "656e 665525161a2b5b6a",
    ['r' - FIRST] = "151b 17355566",
    ['s' - FIRST] = "66552516172858696a5b2b1a",
    ['t' - FIRST] = "323a4b5b6a 1555",
    ['u' - FIRST] = "151a2b5b6a 656b",
    ['v' - FIRST] = "153b4b65",
    ['w' - FIRST] = "050a1b2b3a37 3a4b5b6a65",
    ['x' - FIRST] = "156b 651b",
    ['y' - FIRST] = "151a2b5b6a 656d5e2e1d",
    ['z' - FIRST] = "15651b6b",
    ['{' - FIRST] = "51424526474b5c",
    ['|' - FIRST] = "313d",
    ['}' - FIRST] = "21323556373b2c",
    ['~' - FIRST] = "172636475766",
};

static const char box[] = "121b6b6212"; /* for what has no glyph */

static uint8_t glyphs[LAST - FIRST + 2]
                     [FONT_HEIGHT]; /* const after font_init(); the last: the box */

struct point {
    int x, y;
};

static void set_dot(uint8_t *glyph, struct point p)
{
    glyph[p.y] |= (uint8_t)(0x80 >> p.x);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* Bresenham's line, by the error of the longer axis. */
static void draw_line(uint8_t *glyph, struct point from, struct point to)
{
    int dx = to.x - from.x, dy = to.y - from.y;
    int width = dx < 0 ? -dx : dx, height = dy < 0 ? -dy : dy;
    int steps = MAX(width, height);
    int x_error = steps / 2, y_error = steps / 2;

    set_dot(glyph, from);
    for (int i = 0; i < steps; i++) {
        x_error += width;
        y_error += height;
        if (x_error >= steps) {
            x_error -= steps;
            from.x += sign(dx);
        }
        if (y_error >= steps) {
            y_error -= steps;
            from.y += sign(dy);
        }
        set_dot(glyph, from);
    }
}

static struct point point_at(const char *text)
{
    return (struct point){ hex_digit_value(text[0]), hex_digit_value(text[1]) };
}

static void __init draw_strokes(uint8_t *glyph, const char *text)
{
    bool is_down = false;
    struct point last = { 0, 0 };

    while (*text) {
        if (*text == ' ') {
            is_down = false;
            text++;
            continue;
        }
        struct point next = point_at(text);
        draw_line(glyph, is_down ? last : next, next);
        last = next;
        is_down = true;
        text += 2;
    }
}

void __init font_init(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(strokes); i++)
        draw_strokes(glyphs[i], strokes[i]);
    draw_strokes(glyphs[ARRAY_SIZE(strokes)], box);
}

const uint8_t *font_glyph(unsigned char character)
{
    if (character < FIRST || character > LAST)
        return glyphs[ARRAY_SIZE(strokes)];
    return glyphs[character - FIRST];
}
