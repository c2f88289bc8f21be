# Prints the ids of the jobs in a file: JSON lines, or a table whose header has a column `id`.

BEGIN { FS = form == "csv" ? "," : "\t" }

NR > 1000 { exit }

{ sub(/\r$/, "") }

form ~ /^json/ {
    if (match($0, /"id"[ \t]*:[ \t]*"[^"\\]+"/)) {
        split(substr($0, RSTART + 4, RLENGTH - 4), parts, "\"")
        print parts[2]
    }
    next
}

NR == 1 {
    sub(/^\357\273\277/, "")
    for (i = 1; i <= NF; i++)
        if ($i == "id" || $i == "\"id\"")
            column = i
    if (!column)
        exit
    next
}

# A quoted cell may hold what separates them.
!/"/ && $column != "" { print $column }
