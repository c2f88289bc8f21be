# Prints the names below `root` in a TOML file, as of [root.NAME] or root.NAME.key = 1, but not those in `known`.

# Moves the first part of the dotted key in `rest` into `name`; "" where it is spelt with escapes that are not read here.
function part(    quote, plain) {
    sub(/^[ \t]+/, "", rest)
    if (!match(rest, /^[A-Za-z0-9_-]+/) && !match(rest, /^\047[^\047]*\047/) && !match(rest, /^"([^"\\]|\\.)*"/))
        return 0
    name = substr(rest, 1, RLENGTH)
    rest = substr(rest, RLENGTH + 1)
    sub(/^[ \t]+/, "", rest)
    quote = substr(name, 1, 1)
    if (quote == "\"" || quote == "\047")
        name = substr(name, 2, length(name) - 2)
    while (quote == "\"" && match(name, /\\./)) {
        plain = plain substr(name, 1, RSTART - 1) substr(name, RSTART + 1, 1)
        quote = substr(name, RSTART + 1, 1) ~ /["\\]/ ? quote : "?"
        name = substr(name, RSTART + 2)
    }
    name = quote == "?" ? "" : plain name
    return 1
}

# Moves the dotted key in `rest` into path[from + 1] and so on; returns the length of the path.
function key(from) {
    while (part()) {
        path[++from] = name
        if (!sub(/^\./, "", rest))
            break
    }
    return from
}

BEGIN {
    split(known, names, " ")
    for (i in names)
        seen[names[i]]
}

{
    rest = $0
    sub(/\r$/, "", rest)
    if (fence) {  # within a text of several lines
        if (!(i = index(rest, fence)))
            next
        rest = substr(rest, i + 3)
        fence = ""
    } else if (!lists) {
        size = table
        if (sub(/^[ \t]*\[+/, "", rest))
            size = table = key(0)
        else if ((size = key(table)) > table)
            sub(/^=[ \t]*/, "", rest)
        if (size > 1 && path[1] == root && path[2] != "" && !(path[2] in seen)) {
            seen[path[2]]
            print path[2]
        }
        if (size == table)
            next
        if (match(rest, /^("""|\047\047\047)/)) {
            fence = substr(rest, 1, 3)
            if (!index(substr(rest, 4), fence))
                next
            fence = ""
            rest = ""
        }
    }
    # What a list of several lines holds is no header and no key.
    gsub(/"([^"\\]|\\.)*"|\047[^\047]*\047/, "", rest)
    sub(/#.*/, "", rest)
    lists += gsub(/\[/, "", rest) - gsub(/\]/, "", rest)
}
