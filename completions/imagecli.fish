# fish completion for imagecli. Written by tools/completions.py: change that, or its templates.

# Prints the names in the user's config file that are below $argv[1] (profiles, models), but not the others given.
function __imagecli_names
    set -l config $IMAGECLI_CONFIG
    if test -z "$config"
        if string match -q '/*' -- "$XDG_CONFIG_HOME"
            set config $XDG_CONFIG_HOME
        else if test (uname) = Darwin
            set config "$HOME/Library/Application Support"
        else
            set config $HOME/.config
        end
        set config $config/imagecli/config.toml
    end
    test -f "$config" -a -r "$config"
    and command awk -v root=$argv[1] -v known="$argv[2..]" '# Prints the names below `root` in a TOML file, as of [root.NAME] or root.NAME.key = 1, but not those in `known`.

# Moves the first part of the dotted key in `rest` into `name`; "" where it is spelt with escapes that are not read here.
function part(    quote, plain) {
    sub(/^[ \\t]+/, "", rest)
    if (!match(rest, /^[A-Za-z0-9_-]+/) && !match(rest, /^\\047[^\\047]*\\047/) && !match(rest, /^"([^"\\\\]|\\\\.)*"/))
        return 0
    name = substr(rest, 1, RLENGTH)
    rest = substr(rest, RLENGTH + 1)
    sub(/^[ \\t]+/, "", rest)
    quote = substr(name, 1, 1)
    if (quote == "\\"" || quote == "\\047")
        name = substr(name, 2, length(name) - 2)
    while (quote == "\\"" && match(name, /\\\\./)) {
        plain = plain substr(name, 1, RSTART - 1) substr(name, RSTART + 1, 1)
        quote = substr(name, RSTART + 1, 1) ~ /["\\\\]/ ? quote : "?"
        name = substr(name, RSTART + 2)
    }
    name = quote == "?" ? "" : plain name
    return 1
}

# Moves the dotted key in `rest` into path[from + 1] and so on; returns the length of the path.
function key(from) {
    while (part()) {
        path[++from] = name
        if (!sub(/^\\./, "", rest))
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
    sub(/\\r$/, "", rest)
    if (fence) {  # within a text of several lines
        if (!(i = index(rest, fence)))
            next
        rest = substr(rest, i + 3)
        fence = ""
    } else if (!lists) {
        size = table
        if (sub(/^[ \\t]*\\[+/, "", rest))
            size = table = key(0)
        else if ((size = key(table)) > table)
            sub(/^=[ \\t]*/, "", rest)
        if (size > 1 && path[1] == root && path[2] != "" && !(path[2] in seen)) {
            seen[path[2]]
            print path[2]
        }
        if (size == table)
            next
        if (match(rest, /^("""|\\047\\047\\047)/)) {
            fence = substr(rest, 1, 3)
            if (!index(substr(rest, 4), fence))
                next
            fence = ""
            rest = ""
        }
    }
    # What a list of several lines holds is no header and no key.
    gsub(/"([^"\\\\]|\\\\.)*"|\\047[^\\047]*\\047/, "", rest)
    sub(/#.*/, "", rest)
    lists += gsub(/\\[/, "", rest) - gsub(/\\]/, "", rest)
}
' <$config 2>/dev/null
end

# Prints the words, and the names that the config file has besides, below the root that the first argument names.
function __imagecli_words_and_names
    string join -- \n $argv[2..]
    __imagecli_names $argv
end

# Prints folders and pictures; where there are none, any file.
function __imagecli_images
    set -l token (string replace -r -- '^(--[^=]*=|-[^-ofmnsqPji]*[ofmnsqPji])' '' (commandline -ct))
    set -l files (complete -C "__imagecli_of_no_command $token" | string replace -r '\t.*' '')
    set -l images (string match -ir -- '^.*(?:/|\.(?:png|jpg|jpeg|webp|gif|bmp|tif|tiff|heic|avif))$' $files)
    set -q images[1]
    or set images $files
    string join -- \n $images
end

# Prints the newest images of the ledger behind an @, else files.
function __imagecli_inputs
    if string match -qr '^(--[^=]*=|-[^-ofmnsqPji]*[ofmnsqPji])?@' -- (commandline -ct)
        string join -- \n @(seq 9)
    else
        __imagecli_images
    end
end

# Prints the ids of the jobs in the first of the files on the line that is a job file with ids.
function __imagecli_ids
    for word in (commandline -opc)
        set -l file (string replace -r -- '^~/' "$HOME/" $word)
        set -l form (string match -r -- '\.(?:nd)?(jsonl?|[ct]sv)$' $file)
        or continue
        test -f "$file" -a -r "$file"
        or continue
        command awk -v form=$form[2] '# Prints the ids of the jobs in a file: JSON lines, or a table whose header has a column `id`.

BEGIN { FS = form == "csv" ? "," : "\\t" }

NR > 1000 { exit }

{ sub(/\\r$/, "") }

form ~ /^json/ {
    if (match($0, /"id"[ \\t]*:[ \\t]*"[^"\\\\]+"/)) {
        split(substr($0, RSTART + 4, RLENGTH - 4), parts, "\\"")
        print parts[2]
    }
    next
}

NR == 1 {
    sub(/^\\357\\273\\277/, "")
    for (i = 1; i <= NF; i++)
        if ($i == "id" || $i == "\\"id\\"")
            column = i
    if (!column)
        exit
    next
}

# A quoted cell may hold what separates them.
!/"/ && $column != "" { print $column }
' <$file 2>/dev/null
        return
    end
end

# Prints what was typed so far besides flags and their values.
function __imagecli_typed
    set -l value_follows no
    set -l flags_ended no
    set -l typed
    for word in (commandline -opc)[2..]
        if test $value_follows = yes
            set value_follows no
        else if test $flags_ended = yes; or not string match -qr '^-.' -- $word
            set -a typed $word
            string join -- \n $word
        else if test $word = --
            set flags_ended yes
        else if string match -qr '^-[^-ofmnsqPji]*[ofmnsqPji]$' -- $word; or contains -- $word --output --grid --resize --also --prompt-file --model --count --size --quality --format --compression --background --moderation --style --input-fidelity --response-format --partials --frames --frame-ms --complexity --safety-identifier --seed --negative --param --like --profile --base-url --jobs --timeout --retries --cache-dir --max-cost --image --mask --markup --mask-rect --mask-ellipse --mask-color --mask-feather --mask-preview --expand --fit --restore --max-pixels --as --only --limit --shard --rpm --for --since --state --sum --port --older --larger --dialect --key-command --key-env; or contains -- "$typed[1..2] $word" 'batch run --prompt' 'batch submit --prompt'
            set value_follows yes
        end
    end
end

# Whether the command is one of those given.
function __imagecli_in
    set -l typed (__imagecli_typed)
    for command in $argv
        string match -q -- "$command *" "$typed "
        and return
    end
    return 1
end

# Whether so many words were typed, and the command is one of the others given ("": any).
function __imagecli_at
    set -l typed (__imagecli_typed)
    test (count $typed) -eq $argv[1]
    and __imagecli_in $argv[2..]
end

# Whether so many words were typed or more, and the command is one of the others given.
function __imagecli_from
    set -l typed (__imagecli_typed)
    test (count $typed) -ge $argv[1]
    and __imagecli_in $argv[2..]
end

complete -c imagecli -f
complete -c imagecli -n '__imagecli_at 0 ""' -a gen -d 'Make images from text'
complete -c imagecli -n '__imagecli_at 0 ""' -a edit -d 'Edit an image, all of it or what a mask opens'
complete -c imagecli -n '__imagecli_at 0 ""' -a vary -d 'Make variations of an image'
complete -c imagecli -n '__imagecli_at 0 ""' -a batch -d 'Make the images of a job file, and only those that are missing'
complete -c imagecli -n '__imagecli_at 0 ""' -a prepare -d 'Save what edit and vary would upload; nothing is sent'
complete -c imagecli -n '__imagecli_at 0 ""' -a recover -d 'Save the images of responses that a failed run left behind'
complete -c imagecli -n '__imagecli_at 0 ""' -a show -d 'Show images, and what is known of them'
complete -c imagecli -n '__imagecli_at 0 ""' -a log -d 'List the images that were made and their cost, newest first'
complete -c imagecli -n '__imagecli_at 0 ""' -a models -d 'List models: what they take, what they cost, until when'
complete -c imagecli -n '__imagecli_at 0 ""' -a serve -d 'Run the sandbox as a local HTTP server, for any client'
complete -c imagecli -n '__imagecli_at 0 ""' -a cache -d 'Look at the responses that --cache keeps, and remove them'
complete -c imagecli -n '__imagecli_at 0 ""' -a config -d 'Read and write settings, profiles and keys'
complete -c imagecli -n '__imagecli_at 0 ""' -a schema -d 'Print a JSON Schema: of results, jobs or the config file'
complete -c imagecli -n '__imagecli_at 0 ""' -a help -d 'Show the help of a command, as its --help does'
complete -c imagecli -n '__imagecli_at 0 ""' -l version -d 'Print the version'
complete -c imagecli -n '__imagecli_at 0 ""' -s h -l help -d 'Show this page'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "prepare"' -s o -l output -x -a '(__imagecli_images)' -d 'A file, a folder/, a template, or - for raw bytes on standard output'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "prepare" "recover" "show"' -l force -d 'Replace files that exist'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary"' -l skip-existing -d 'Send nothing for outputs that exist; needs -o'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l grid -x -a '(__imagecli_images)' -d 'Also save a contact sheet: all images side by side, labelled'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l resize -x -d 'Save the image at exactly this size: crop the middle, then scale'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l also -x -d 'Save it at this size too, as NAME.WxH.EXT; repeatable'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l embed -d 'Write the request into the image\'s file, whose pixels stay; =force: into a signed one too [off]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l no-embed -d 'Not --embed'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l sidecar -d 'Write what made the image into a file beside it, NAME.EXT.json [off]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l no-sidecar -d 'Not --sidecar'
complete -c imagecli -n '__imagecli_in "gen" "edit"' -s f -l prompt-file -r -F -d 'Read the prompt from a file; - is standard input'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -s m -l model -x -k -a '(__imagecli_words_and_names models gpt-image-2.6-flare gpt-image-2.6-sunburst gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-image-2 chatgpt-image-latest gpt-image-1.5 gpt-image-1-mini gpt-image-1 dall-e-3 dall-e-2)' -d 'The model; any name is accepted'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -s n -l count -x -d 'How many images, 1 to 10 [1]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -s s -l size -x -k -a 'auto square landscape portrait 1024x1024 1536x1024 1024x1536 2048x2048 3840x2160 1792x1024 1024x1792 256x256 512x512' -d 'WxH, auto, square, landscape or portrait'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -s q -l quality -x -k -a 'low medium high xhigh max auto standard hd' -d 'low, medium, high, …; standard or hd'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l format -x -k -a 'png jpeg webp gif svg' -d 'png, jpeg, webp, gif or svg'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l compression -x -d 'How much a jpeg or webp is compressed'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l background -x -k -a 'transparent opaque auto' -d 'transparent, opaque or auto'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l moderation -x -k -a 'auto low' -d 'auto or low'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l style -x -k -a 'vivid natural' -d 'vivid or natural (dall-e-3)'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l input-fidelity -x -k -a 'high low' -d 'How closely inputs are followed: high or low'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l response-format -x -k -a 'url b64_json' -d 'url or b64_json, for servers that offer both'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l partials -x -d 'Stream, with this many partial images before the final one'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l save-partials -d 'Save the partial images too, beside the final one [off]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l no-save-partials -d 'Not --save-partials'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l frames -x -k -a '2 3 4 5 6 7 8 9 10 11 12 13 14 15 16' -d 'How many frames a gif has'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l frame-ms -x -d 'How long a gif shows each frame'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l complexity -x -k -a 'low medium high' -d 'How detailed an svg is: low, medium or high'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l safety-identifier -x -d 'Your end user\'s id, for the provider\'s policy'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l seed -x -d 'The same seed makes the same image, if the server takes seeds'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l negative -x -d 'What the image should not show, if the server takes it'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l param -x -d 'Any other field of the request, JSON or text; repeatable'
complete -c imagecli -n '__imagecli_in "gen" "batch run" "batch submit"' -l verbatim -d 'Ask dall-e-3 not to rewrite the prompt [off]'
complete -c imagecli -n '__imagecli_in "gen" "batch run" "batch submit"' -l no-verbatim -d 'Not --verbatim'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary"' -l like -x -a '(__imagecli_inputs)' -d 'As the image in FILE was made (@1: the newest one); flags typed beside it go first'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "batch status" "batch cancel" "show" "models" "config show" "config check"' -s P -l profile -x -k -a '(__imagecli_words_and_names profiles openai sandbox)' -d 'Which server to use [openai]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "batch status" "batch cancel" "show" "models" "config show" "config check"' -l base-url -x -d 'Another server\'s address, usually ending in /v1; it gets no key of others'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -s j -l jobs -x -d 'How many requests at once [4]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "batch status" "batch fetch" "batch cancel" "show"' -l timeout -x -d 'The limit for one attempt as a whole [600]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "batch status" "batch fetch" "batch cancel" "show"' -l retries -x -d 'Attempts after the first, where that is safe [2]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l cache -d 'Keep responses, so that the same request costs nothing again [off]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l no-cache -d 'Not --cache'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l cache-only -d 'Send nothing: take what the cache has; needs no key and no network [off]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run"' -l no-cache-only -d 'Not --cache-only'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "cache path" "cache info" "cache prune"' -l cache-dir -x -a '(__imagecli_images)' -d 'The folder of the cache [imagecli\'s own]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l max-cost -x -d 'The most that this run may cost, by estimate'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l retry-unknown -d 'Send again what may have been billed already [off]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit"' -l no-retry-unknown -d 'Not --retry-unknown'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary"' -l dry-run -d 'Check everything and print the request; send and save nothing'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary"' -l preview -d 'Draw the result in the terminal; auto in the config draws where it can [off]'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary"' -l no-preview -d 'Not --preview'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch status" "batch cancel" "prepare" "recover" "show" "models" "cache path" "cache info" "cache prune" "config path" "config show" "config get" "config set" "config unset" "config set-key" "config add" "config check"' -l json -d 'Print one JSON document instead, for failures too'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "batch status" "batch fetch" "batch cancel" "prepare" "recover" "show" "log" "models"' -s v -l verbose -d 'Report more on standard error'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "batch status" "batch fetch" "batch cancel" "prepare" "recover" "show" "log" "models"' -l quiet -d 'Report only errors on standard error'
complete -c imagecli -n '__imagecli_in "gen" "edit" "vary" "batch run" "batch submit" "batch status" "batch fetch" "batch cancel" "prepare" "recover" "show" "log" "models" "serve" "cache path" "cache info" "cache prune" "config path" "config show" "config get" "config set" "config unset" "config set-key" "config add" "config check" "schema"' -s h -l help -d 'Show this page'
complete -c imagecli -n '__imagecli_at 1 "edit" "vary" "prepare"' -x -a '(__imagecli_inputs)'
complete -c imagecli -n '__imagecli_in "edit"' -s i -l image -x -a '(__imagecli_inputs)' -d 'Another input image; repeatable'
complete -c imagecli -n '__imagecli_in "edit"' -l mask -x -a '(__imagecli_inputs)' -d 'Where to edit: transparent, or white in a mask without transparency'
complete -c imagecli -n '__imagecli_in "edit"' -l markup -x -a '(__imagecli_inputs)' -d 'Marks drawn over the image that show what to change'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l mask-rect -x -d 'Edit inside this box, in pixels or %; repeatable'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l mask-ellipse -x -d 'Edit inside the ellipse in this box; -X, -Y: from the right, the bottom'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l mask-color -x -d 'Edit where the image has this colour; repeatable [:32]'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l mask-invert -d 'Edit everywhere else instead [off]'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l no-mask-invert -d 'Not --mask-invert'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l mask-feather -x -d 'How far the edge of the mask fades out [0]'
complete -c imagecli -n '__imagecli_in "edit"' -l mask-preview -x -a '(__imagecli_images)' -d 'Save the image with the mask tinted; send nothing'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l expand -x -d 'Outpaint: left, top, right, bottom or all; repeatable'
complete -c imagecli -n '__imagecli_in "edit" "vary" "batch run" "batch submit" "prepare"' -l fit -x -k -a 'pad crop stretch' -d 'How an input is made square: pad, crop or stretch'
complete -c imagecli -n '__imagecli_in "edit" "vary" "batch run" "batch submit"' -l restore -x -k -a 'none aspect size' -d 'Undo that on the result: none, aspect or size [aspect if padded]'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l keep -d 'Change nothing outside the mask [on for masks made by flags]'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l no-keep -d 'Not --keep'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l strict-mask -d 'Exit with 1 if the server seems to have ignored the mask [off]'
complete -c imagecli -n '__imagecli_in "edit" "batch run" "batch submit"' -l no-strict-mask -d 'Not --strict-mask'
complete -c imagecli -n '__imagecli_in "edit" "vary" "batch run" "batch submit" "prepare"' -l keep-metadata -d 'Leave location, camera and author in the file [off]'
complete -c imagecli -n '__imagecli_in "edit" "vary" "batch run" "batch submit" "prepare"' -l no-keep-metadata -d 'Not --keep-metadata'
complete -c imagecli -n '__imagecli_in "edit" "vary" "batch run" "batch submit" "prepare"' -l max-pixels -x -d 'How many pixels an input may have [about 179 million]'
complete -c imagecli -n '__imagecli_at 1 "batch"' -a run -d 'Make the images of a job file that are not there yet'
complete -c imagecli -n '__imagecli_at 1 "batch"' -a submit -d 'Submit jobs to the provider\'s batch engine, at half the price'
complete -c imagecli -n '__imagecli_at 1 "batch"' -a status -d 'Ask how far submitted batches are'
complete -c imagecli -n '__imagecli_at 1 "batch"' -a fetch -d 'Save the images of submitted batches'
complete -c imagecli -n '__imagecli_at 1 "batch"' -a cancel -d 'Cancel a batch'
complete -c imagecli -n '__imagecli_at 1 "batch" "cache" "config" "help"' -s h -l help -d 'Show this page'
complete -c imagecli -n '__imagecli_at 2 "batch run" "batch submit" "batch fetch"' -r -F
complete -c imagecli -n '__imagecli_in "batch run" "batch submit"' -s o -l output -x -a '(__imagecli_images)' -d 'The folder for the images and the journal'
complete -c imagecli -n '__imagecli_in "batch run" "batch submit"' -l dry-run -d 'Check everything; say what would be sent, and what it costs'
complete -c imagecli -n '__imagecli_in "batch run" "batch submit"' -l as -x -d 'How JOBS is written [by its name; jsonl for -]'
complete -c imagecli -n '__imagecli_in "batch run" "batch submit"' -l prompt -x -d 'The prompt of every job, with {column} fields of its row'
complete -c imagecli -n '__imagecli_in "batch run" "batch submit"' -l only -x -k -a '(__imagecli_ids)' -d 'Only jobs with this id, or ids like fox-*; repeatable'
complete -c imagecli -n '__imagecli_in "batch run" "batch submit"' -l limit -x -d 'Only the first N jobs of those'
complete -c imagecli -n '__imagecli_in "batch run" "batch submit"' -l shard -x -d 'Only share I of N, the same on every machine'
complete -c imagecli -n '__imagecli_in "batch run"' -l rpm -x -d 'Let no more than N requests begin in a minute, evenly spaced'
complete -c imagecli -n '__imagecli_in "batch run"' -l fail-fast -d 'End at the first failure'
complete -c imagecli -n '__imagecli_in "batch run"' -l prune -d 'Remove images that the batch made and JOBS no longer names'
complete -c imagecli -n '__imagecli_in "batch run"' -l check -d 'Send nothing: exit 0 if all images are there and unchanged, else 6'
complete -c imagecli -n '__imagecli_in "batch run" "batch submit" "batch fetch" "log"' -l json -d 'Print JSON instead, a document a line, for failures too'
complete -c imagecli -n '__imagecli_in "prepare"' -l for -x -k -a '(__imagecli_words_and_names models gpt-image-2.6-flare gpt-image-2.6-sunburst gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-image-2 chatgpt-image-latest gpt-image-1.5 gpt-image-1-mini gpt-image-1 dall-e-3 dall-e-2)' -d 'The model to prepare the image for; any name is accepted'
complete -c imagecli -n '__imagecli_from 1 "recover"' -r -F
complete -c imagecli -n '__imagecli_in "recover"' -s o -l output -x -a '(__imagecli_images)' -d 'A file, a folder/ or a template [as the run would have named it]'
complete -c imagecli -n '__imagecli_from 1 "show"' -x -a '(__imagecli_inputs)'
complete -c imagecli -n '__imagecli_in "show"' -l grid -x -a '(__imagecli_images)' -d 'Save a contact sheet: all images side by side, labelled; - is stdout'
complete -c imagecli -n '__imagecli_in "show"' -l check -d 'Send it to the server, and say whether that finds its own marks in it'
complete -c imagecli -n '__imagecli_in "show"' -l prompt -d 'Print the prompt, and nothing else'
complete -c imagecli -n '__imagecli_in "log"' -s n -l count -x -d 'How many lines [20; all sums]'
complete -c imagecli -n '__imagecli_in "log"' -l since -x -d 'From here on: 30m, 12h, 7d or 2w ago, or a date, such as 2026-11-29'
complete -c imagecli -n '__imagecli_in "log"' -s m -l model -x -k -a '(__imagecli_words_and_names models gpt-image-2.6-flare gpt-image-2.6-sunburst gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-image-2 chatgpt-image-latest gpt-image-1.5 gpt-image-1-mini gpt-image-1 dall-e-3 dall-e-2)' -d 'Only images of this model'
complete -c imagecli -n '__imagecli_in "log"' -s P -l profile -x -k -a '(__imagecli_words_and_names profiles openai sandbox)' -d 'Only images of this profile'
complete -c imagecli -n '__imagecli_in "log"' -l state -x -k -a 'done failed unknown sent' -d 'Only requests in this state: done, failed, unknown or sent'
complete -c imagecli -n '__imagecli_in "log"' -l sum -x -k -a 'day month model profile' -d 'Add up what was asked, made and paid by day, month, model or profile'
complete -c imagecli -n '__imagecli_from 1 "models"' -x -k -a '(__imagecli_words_and_names models gpt-image-2.6-flare gpt-image-2.6-sunburst gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-image-2 chatgpt-image-latest gpt-image-1.5 gpt-image-1-mini gpt-image-1 dall-e-3 dall-e-2)'
complete -c imagecli -n '__imagecli_in "models"' -l all -d 'Also list the models that certainly make no images'
complete -c imagecli -n '__imagecli_in "models"' -l refresh -d 'Ask the server even if its list is less than an hour old'
complete -c imagecli -n '__imagecli_in "serve"' -l port -x -d 'The port on 127.0.0.1; 0 takes any free one [8765]'
complete -c imagecli -n '__imagecli_at 1 "cache"' -a path -d 'Print where the cache is, or would be'
complete -c imagecli -n '__imagecli_at 1 "cache"' -a info -d 'Print how many responses the cache has, and how large they are'
complete -c imagecli -n '__imagecli_at 1 "cache"' -a prune -d 'Remove responses from the cache'
complete -c imagecli -n '__imagecli_in "cache prune"' -l older -x -d 'Remove what was used last longer ago: 30d, 12h'
complete -c imagecli -n '__imagecli_in "cache prune"' -l larger -x -d 'Remove the oldest until the rest is no larger: 5G, 500M'
complete -c imagecli -n '__imagecli_at 1 "config"' -a path -d 'Print where the config file is, or would be'
complete -c imagecli -n '__imagecli_at 1 "config"' -a show -d 'Print every setting and where it came from'
complete -c imagecli -n '__imagecli_at 1 "config"' -a get -d 'Print the value of KEY in the config file'
complete -c imagecli -n '__imagecli_at 1 "config"' -a set -d 'Write KEY = VALUE to the config file'
complete -c imagecli -n '__imagecli_at 1 "config"' -a unset -d 'Remove KEY from the config file'
complete -c imagecli -n '__imagecli_at 1 "config"' -a set-key -d 'Store the key of a profile'
complete -c imagecli -n '__imagecli_at 1 "config"' -a add -d 'Write a new profile: where a server is, and how it differs'
complete -c imagecli -n '__imagecli_at 1 "config"' -a check -d 'Ask a server for its models: are address and key right?'
complete -c imagecli -n '__imagecli_at 2 "config get" "config set" "config unset"' -x -k -a 'profile defaults.output defaults.resize defaults.embed defaults.sidecar defaults.model defaults.count defaults.size defaults.quality defaults.format defaults.compression defaults.background defaults.moderation defaults.style defaults.input_fidelity defaults.response_format defaults.partials defaults.save_partials defaults.frames defaults.frame_ms defaults.complexity defaults.safety_identifier defaults.seed defaults.negative defaults.verbatim defaults.fit defaults.restore defaults.keep defaults.strict_mask defaults.keep_metadata defaults.max_pixels defaults.jobs defaults.timeout defaults.retries defaults.cache defaults.cache_dir defaults.max_cost defaults.budget defaults.ledger defaults.retry_unknown defaults.preview'
complete -c imagecli -n '__imagecli_at 2 "config set-key" "config check"' -x -k -a '(__imagecli_words_and_names profiles openai sandbox)'
complete -c imagecli -n '__imagecli_in "config add"' -l base-url -x -d 'Where the server is, usually ending in /v1'
complete -c imagecli -n '__imagecli_in "config add"' -l dialect -x -k -a 'openai apimart azure deepinfra evolink gemini modelscope openrouter together xai litellm localai sdcpp sglang vllm-omni xinference' -d 'How the server differs from OpenAI [by its host\'s name, else openai]'
complete -c imagecli -n '__imagecli_in "config add"' -l key-command -x -d 'The command that prints its key, such as \'pass show images\''
complete -c imagecli -n '__imagecli_in "config add"' -l key-env -x -d 'The environment variable that its key is in'
complete -c imagecli -n '__imagecli_in "config add"' -s m -l model -x -k -a '(__imagecli_words_and_names models gpt-image-2.6-flare gpt-image-2.6-sunburst gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-image-2 chatgpt-image-latest gpt-image-1.5 gpt-image-1-mini gpt-image-1 dall-e-3 dall-e-2)' -d 'The model to ask it for [its own choice]'
complete -c imagecli -n '__imagecli_at 1 "schema"' -x -k -a 'result job config'
complete -c imagecli -n '__imagecli_at 1 "help"' -a gen -d 'Make images from text'
complete -c imagecli -n '__imagecli_at 1 "help"' -a edit -d 'Edit an image, all of it or what a mask opens'
complete -c imagecli -n '__imagecli_at 1 "help"' -a vary -d 'Make variations of an image'
complete -c imagecli -n '__imagecli_at 1 "help"' -a batch -d 'Make the images of a job file, and only those that are missing'
complete -c imagecli -n '__imagecli_at 1 "help"' -a prepare -d 'Save what edit and vary would upload; nothing is sent'
complete -c imagecli -n '__imagecli_at 1 "help"' -a recover -d 'Save the images of responses that a failed run left behind'
complete -c imagecli -n '__imagecli_at 1 "help"' -a show -d 'Show images, and what is known of them'
complete -c imagecli -n '__imagecli_at 1 "help"' -a log -d 'List the images that were made and their cost, newest first'
complete -c imagecli -n '__imagecli_at 1 "help"' -a models -d 'List models: what they take, what they cost, until when'
complete -c imagecli -n '__imagecli_at 1 "help"' -a serve -d 'Run the sandbox as a local HTTP server, for any client'
complete -c imagecli -n '__imagecli_at 1 "help"' -a cache -d 'Look at the responses that --cache keeps, and remove them'
complete -c imagecli -n '__imagecli_at 1 "help"' -a config -d 'Read and write settings, profiles and keys'
complete -c imagecli -n '__imagecli_at 1 "help"' -a schema -d 'Print a JSON Schema: of results, jobs or the config file'
complete -c imagecli -n '__imagecli_at 1 "help"' -a help -d 'Show the help of a command, as its --help does'
complete -c imagecli -n '__imagecli_at 2 "help batch"' -a run -d 'Make the images of a job file that are not there yet'
complete -c imagecli -n '__imagecli_at 2 "help batch"' -a submit -d 'Submit jobs to the provider\'s batch engine, at half the price'
complete -c imagecli -n '__imagecli_at 2 "help batch"' -a status -d 'Ask how far submitted batches are'
complete -c imagecli -n '__imagecli_at 2 "help batch"' -a fetch -d 'Save the images of submitted batches'
complete -c imagecli -n '__imagecli_at 2 "help batch"' -a cancel -d 'Cancel a batch'
complete -c imagecli -n '__imagecli_at 2 "help cache"' -a path -d 'Print where the cache is, or would be'
complete -c imagecli -n '__imagecli_at 2 "help cache"' -a info -d 'Print how many responses the cache has, and how large they are'
complete -c imagecli -n '__imagecli_at 2 "help cache"' -a prune -d 'Remove responses from the cache'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a path -d 'Print where the config file is, or would be'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a show -d 'Print every setting and where it came from'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a get -d 'Print the value of KEY in the config file'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a set -d 'Write KEY = VALUE to the config file'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a unset -d 'Remove KEY from the config file'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a set-key -d 'Store the key of a profile'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a add -d 'Write a new profile: where a server is, and how it differs'
complete -c imagecli -n '__imagecli_at 2 "help config"' -a check -d 'Ask a server for its models: are address and key right?'
