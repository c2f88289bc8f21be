# bash completion for imagecli. Written by tools/completions.py: change that, or its templates.

# Prints the names in the user's config file that are below $1 ("profiles", "models"), but not the others given.
_imagecli_names() {
    local config=${IMAGECLI_CONFIG:-} root=$1
    shift
    if [[ -z $config ]]; then
        if [[ ${XDG_CONFIG_HOME:-} == /* ]]; then
            config=$XDG_CONFIG_HOME
        elif [[ $OSTYPE == darwin* ]]; then
            config=$HOME/Library/Application\ Support
        else
            config=$HOME/.config
        fi
        config+=/imagecli/config.toml
    fi
    [[ -f $config && -r $config ]] || return 0
    command awk -v root="$root" -v known="$*" '# Prints the names below `root` in a TOML file, as of [root.NAME] or root.NAME.key = 1, but not those in `known`.

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
' <"$config" 2>/dev/null
}

# Prints the ids of the jobs in the first of the files given that is a job file with ids.
_imagecli_ids() {
    local file form
    for file; do
        case $file in
            *.jsonl | *.ndjson) form=json ;;
            *.[ct]sv) form=${file##*.} ;;
            *) continue ;;
        esac
        [[ $file == \~/* ]] && file=$HOME/${file#??}
        [[ -f $file && -r $file ]] || continue
        command awk -v form=$form '# Prints the ids of the jobs in a file: JSON lines, or a table whose header has a column `id`.

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
' <"$file" 2>/dev/null
        return 0
    done
}

# Offers those of the words that begin with $value, quoted as the line needs it.
_imagecli_words() {
    local word quote=${value:0:1}
    compopt -o nosort 2>/dev/null
    for word; do
        case $quote in
            \')
                [[ $word == *\'* ]] && continue
                word=$quote$word
                ;;
            \")
                [[ $word == *[\"\\\$\`!]* ]] && continue
                word=$quote$word
                ;;
            *) printf -v word %q "$word" ;;
        esac
        [[ $word == "$value"* ]] || continue
        word=$before$word
        COMPREPLY+=("${word#"$kept"}")
    done
}

# The same with the names that the config file has besides.
_imagecli_words_and_names() {
    local name root=$1
    local -a words
    shift
    words=("$@")
    while IFS= read -r name; do
        words+=("$name")
    done < <(_imagecli_names "$root" "$@")
    _imagecli_words "${words[@]}"
}

# Offers the ids of the jobs in the job file that the line names.
_imagecli_job_ids() {
    local id
    local -a ids
    while IFS= read -r id; do
        ids+=("$id")
    done < <(_imagecli_ids "${words[@]//[\\\"\']/}")
    _imagecli_words "${ids[@]}"
}

# Leaves it to readline, which knows files best.
_imagecli_files() {
    compopt -o default 2>/dev/null
}

# Offers folders and pictures; where there are none, any file.
_imagecli_images() {
    local file path=$value quote=''
    # Without compopt (bash 3) what is offered here would not be quoted.
    ((BASH_VERSINFO[0] < 4)) && return
    case $path in
        [\"\']*) quote=${path:0:1} path=${path:1} ;;
        *) path=${path//\\/} ;;
    esac
    while IFS= read -r file; do
        case ${file,,} in
            */ | *.png | *.jpg | *.jpeg | *.webp | *.gif | *.bmp | *.tif | *.tiff | *.heic | *.avif)
                file=$before$quote${file%/}
                COMPREPLY+=("${file#"${kept//\\/}"}")
                ;;
        esac
    done < <(compgen -d -S / -- "$path"; compgen -f -- "$path")
    compopt -o filenames 2>/dev/null
    ((${#COMPREPLY[@]})) || _imagecli_files
}

# Offers the newest images of the ledger behind an @, else files.
_imagecli_inputs() {
    if [[ $value == @* ]]; then
        _imagecli_words @{1..9}
    else
        _imagecli_images
    fi
}

# Finds the flag in a word that takes a value; fails where there is none. `attached` is set where the value is in the
# same word (--flag=value, -fvalue): `before` is then what precedes it.
_imagecli_split() {
    local i
    attached='' before='' value=''
    case $1 in
        --*=*) flag=${1%%=*} before=${1%%=*}= value=${1#*=} attached=1 ;;
        --*) flag=$1 ;;
        *)
            for ((i = 1; i < ${#1}; i++)); do
                flag=-${1:i:1}
                [[ $with_value == *" $flag "* ]] || continue
                before=${1:0:i+1} value=${1:i+1}
                attached=$value
                return 0
            done
            ;;
    esac
    [[ $with_value == *" $flag "* || '/batch run --prompt//batch submit --prompt/' == *"/$command $flag/"* ]]
}

# Offers what the flag takes.
_imagecli_value() {
    case $1 in
        -o | --output | --grid | --cache-dir | --mask-preview) _imagecli_images ;;
        -f | --prompt-file) _imagecli_files ;;
        -m | --model | --for) _imagecli_words_and_names models gpt-image-2.6-flare gpt-image-2.6-sunburst gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-image-2 chatgpt-image-latest gpt-image-1.5 gpt-image-1-mini gpt-image-1 dall-e-3 dall-e-2 ;;
        -s | --size) _imagecli_words auto square landscape portrait 1024x1024 1536x1024 1024x1536 2048x2048 3840x2160 1792x1024 1024x1792 256x256 512x512 ;;
        -q | --quality) _imagecli_words low medium high xhigh max auto standard hd ;;
        --format) _imagecli_words png jpeg webp gif svg ;;
        --background) _imagecli_words transparent opaque auto ;;
        --moderation) _imagecli_words auto low ;;
        --style) _imagecli_words vivid natural ;;
        --input-fidelity) _imagecli_words high low ;;
        --response-format) _imagecli_words url b64_json ;;
        --frames) _imagecli_words 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ;;
        --complexity) _imagecli_words low medium high ;;
        --like | -i | --image | --mask | --markup) _imagecli_inputs ;;
        -P | --profile) _imagecli_words_and_names profiles openai sandbox ;;
        --fit) _imagecli_words pad crop stretch ;;
        --restore) _imagecli_words none aspect size ;;
        --only) _imagecli_job_ids ;;
        --state) _imagecli_words done failed unknown sent ;;
        --sum) _imagecli_words day month model profile ;;
        --dialect) _imagecli_words openai apimart azure deepinfra evolink gemini modelscope openrouter together xai litellm localai sdcpp sglang vllm-omni xinference ;;
    esac
}

# Offers what the command takes as its argument of this number, from 0.
_imagecli_argument() {
    case $1 in
        '0' | 'help 0') _imagecli_words gen edit vary batch prepare recover show log models serve cache config schema help ;;
        'edit 0' | 'vary 0' | 'prepare 0' | 'show '*) _imagecli_inputs ;;
        'batch 0' | 'help batch 0') _imagecli_words run submit status fetch cancel ;;
        'batch run 0' | 'batch submit 0' | 'batch fetch 0' | 'recover '*) _imagecli_files ;;
        'models '*) _imagecli_words_and_names models gpt-image-2.6-flare gpt-image-2.6-sunburst gpt-image-2.5-flare gpt-image-2.5-sunburst gpt-image-2 chatgpt-image-latest gpt-image-1.5 gpt-image-1-mini gpt-image-1 dall-e-3 dall-e-2 ;;
        'cache 0' | 'help cache 0') _imagecli_words path info prune ;;
        'config 0' | 'help config 0') _imagecli_words path show get set unset set-key add check ;;
        'config get 0' | 'config set 0' | 'config unset 0') _imagecli_words profile defaults.output defaults.resize defaults.embed defaults.sidecar defaults.model defaults.count defaults.size defaults.quality defaults.format defaults.compression defaults.background defaults.moderation defaults.style defaults.input_fidelity defaults.response_format defaults.partials defaults.save_partials defaults.frames defaults.frame_ms defaults.complexity defaults.safety_identifier defaults.seed defaults.negative defaults.verbatim defaults.fit defaults.restore defaults.keep defaults.strict_mask defaults.keep_metadata defaults.max_pixels defaults.jobs defaults.timeout defaults.retries defaults.cache defaults.cache_dir defaults.max_cost defaults.budget defaults.ledger defaults.retry_unknown defaults.preview ;;
        'config set-key 0' | 'config check 0') _imagecli_words_and_names profiles openai sandbox ;;
        'schema 0') _imagecli_words result job config ;;
    esac
}

# Offers the flags of the command.
_imagecli_flags() {
    case $1 in
        '') _imagecli_words --version -h --help ;;
        'gen') _imagecli_words -o --output --force --skip-existing --grid --resize --also --embed --no-embed --sidecar --no-sidecar -f --prompt-file -m --model -n --count -s --size -q --quality --format --compression --background --moderation --style --input-fidelity --response-format --partials --save-partials --no-save-partials --frames --frame-ms --complexity --safety-identifier --seed --negative --param --verbatim --no-verbatim --like -P --profile --base-url -j --jobs --timeout --retries --cache --no-cache --cache-only --no-cache-only --cache-dir --max-cost --retry-unknown --no-retry-unknown --dry-run --preview --no-preview --json -v --verbose --quiet -h --help ;;
        'edit') _imagecli_words -o --output --force --skip-existing --grid --resize --also --embed --no-embed --sidecar --no-sidecar -f --prompt-file -m --model -n --count -s --size -q --quality --format --compression --background --moderation --style --input-fidelity --response-format --partials --save-partials --no-save-partials --frames --frame-ms --complexity --safety-identifier --seed --negative --param --like -i --image --mask --markup --mask-rect --mask-ellipse --mask-color --mask-invert --no-mask-invert --mask-feather --mask-preview --expand --fit --restore --keep --no-keep --strict-mask --no-strict-mask --keep-metadata --no-keep-metadata --max-pixels -P --profile --base-url -j --jobs --timeout --retries --cache --no-cache --cache-only --no-cache-only --cache-dir --max-cost --retry-unknown --no-retry-unknown --dry-run --preview --no-preview --json -v --verbose --quiet -h --help ;;
        'vary') _imagecli_words -o --output --force --skip-existing --grid --resize --also --embed --no-embed --sidecar --no-sidecar -m --model -n --count -s --size -q --quality --format --compression --background --moderation --style --input-fidelity --response-format --partials --save-partials --no-save-partials --frames --frame-ms --complexity --safety-identifier --seed --negative --param --like --fit --restore --keep-metadata --no-keep-metadata --max-pixels -P --profile --base-url -j --jobs --timeout --retries --cache --no-cache --cache-only --no-cache-only --cache-dir --max-cost --retry-unknown --no-retry-unknown --dry-run --preview --no-preview --json -v --verbose --quiet -h --help ;;
        'batch' | 'cache' | 'config' | 'schema' | 'help') _imagecli_words -h --help ;;
        'batch run') _imagecli_words -o --output --dry-run --as --prompt --only --limit --shard --rpm --fail-fast --prune --check --force --grid --resize --also --embed --no-embed --sidecar --no-sidecar -m --model -n --count -s --size -q --quality --format --compression --background --moderation --style --input-fidelity --response-format --partials --save-partials --no-save-partials --frames --frame-ms --complexity --safety-identifier --seed --negative --param --verbatim --no-verbatim --mask-rect --mask-ellipse --mask-color --mask-invert --no-mask-invert --mask-feather --expand --fit --restore --keep --no-keep --strict-mask --no-strict-mask --keep-metadata --no-keep-metadata --max-pixels -P --profile --base-url -j --jobs --timeout --retries --cache --no-cache --cache-only --no-cache-only --cache-dir --max-cost --retry-unknown --no-retry-unknown --json -v --verbose --quiet -h --help ;;
        'batch submit') _imagecli_words -o --output --dry-run --as --prompt --only --limit --shard --force --resize --also --embed --no-embed --sidecar --no-sidecar -m --model -n --count -s --size -q --quality --format --compression --background --moderation --style --input-fidelity --response-format --frames --frame-ms --complexity --safety-identifier --seed --negative --param --verbatim --no-verbatim --mask-rect --mask-ellipse --mask-color --mask-invert --no-mask-invert --mask-feather --expand --fit --restore --keep --no-keep --strict-mask --no-strict-mask --keep-metadata --no-keep-metadata --max-pixels -P --profile --base-url --timeout --retries --cache-dir --max-cost --retry-unknown --no-retry-unknown --json -v --verbose --quiet -h --help ;;
        'batch status' | 'batch cancel') _imagecli_words -P --profile --base-url --timeout --retries --json -v --verbose --quiet -h --help ;;
        'batch fetch') _imagecli_words --timeout --retries --json -v --verbose --quiet -h --help ;;
        'prepare') _imagecli_words -o --output --force --for --fit --keep-metadata --no-keep-metadata --max-pixels --json -v --verbose --quiet -h --help ;;
        'recover') _imagecli_words --force --json -v --verbose --quiet -o --output -h --help ;;
        'show') _imagecli_words --force -P --profile --base-url --timeout --retries --json -v --verbose --quiet --grid --check --prompt -h --help ;;
        'log') _imagecli_words --json -v --verbose --quiet -n --count --since -m --model -P --profile --state --sum -h --help ;;
        'models') _imagecli_words -P --profile --base-url --json -v --verbose --quiet --all --refresh -h --help ;;
        'serve') _imagecli_words --port -h --help ;;
        'cache path' | 'cache info') _imagecli_words --cache-dir --json -h --help ;;
        'cache prune') _imagecli_words --cache-dir --json --older --larger -h --help ;;
        'config path' | 'config get' | 'config set' | 'config unset' | 'config set-key') _imagecli_words --json -h --help ;;
        'config show' | 'config check') _imagecli_words -P --profile --base-url --json -h --help ;;
        'config add') _imagecli_words --json --base-url --dialect --key-command --key-env -m --model -h --help ;;
    esac
}

_imagecli() {
    local with_value=' -o --output --grid --resize --also -f --prompt-file -m --model -n --count -s --size -q --quality --format --compression --background --moderation --style --input-fidelity --response-format --partials --frames --frame-ms --complexity --safety-identifier --seed --negative --param --like -P --profile --base-url -j --jobs --timeout --retries --cache-dir --max-cost -i --image --mask --markup --mask-rect --mask-ellipse --mask-color --mask-feather --mask-preview --expand --fit --restore --max-pixels --as --only --limit --shard --rpm --for --since --state --sum --port --older --larger --dialect --key-command --key-env '
    local IFS=$' \t\n' line=${COMP_LINE:0:COMP_POINT} word gap i
    local command='' at=0 flag='' attached='' before='' value='' kept ended=''
    local -a words
    COMPREPLY=()

    case ${COMP_WORDS[COMP_CWORD - 1]} in
        [\<\>]* | *[\<\>])
            _imagecli_files
            return
            ;;
    esac

    # Readline cuts words at = and : too; here, what no blank parts is one word.
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        gap=${line%%[![:space:]]*}
        line=${line:${#gap}}
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$line
        line=${line:${#word}}
        if ((i)) && [[ -z $gap ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done

    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ -n $flag ]]; then
            flag=''
        elif [[ $word == [\<\>\&]* || $word == [0-9][\<\>]* ]]; then
            # A redirection; its file may be the next word.
            [[ $word == *[\<\>\&] ]] && flag=$word
        elif [[ -z $ended && $word == -- ]]; then
            ended=1
        elif [[ -z $ended && $word == -?* ]]; then
            _imagecli_split "$word" && [[ -z $attached ]] || flag=''
        elif ((at == 0)) && [[ '/gen/edit/vary/batch/batch run/batch submit/batch status/batch fetch/batch cancel/prepare/recover/show/log/models/serve/cache/cache path/cache info/cache prune/config/config path/config show/config get/config set/config unset/config set-key/config add/config check/schema/help/help gen/help edit/help vary/help batch/help batch run/help batch submit/help batch status/help batch fetch/help batch cancel/help prepare/help recover/help show/help log/help models/help serve/help cache/help cache path/help cache info/help cache prune/help config/help config path/help config show/help config get/help config set/help config unset/help config set-key/help config add/help config check/help schema/help help/' == *"/${command:+$command }$word/"* ]]; then
            command=${command:+$command }$word
        else
            ((at += 1))
        fi
    done

    word=${words[i]}
    kept=${word%"$2"} # readline replaces the rest only
    if [[ -n $flag ]]; then
        before='' value=$word
        _imagecli_value "$flag"
    elif [[ -n $ended || $word != -* ]]; then
        before='' value=$word
        _imagecli_argument "${command:+$command }$at"
    elif _imagecli_split "$word" && [[ -n $attached ]]; then
        _imagecli_value "$flag"
    else
        before='' value=$word
        _imagecli_flags "$command"
    fi
}

if ((BASH_VERSINFO[0] < 4)); then
    complete -o default -F _imagecli imagecli
else
    complete -F _imagecli imagecli
fi
