# bash completion for imagecli. @MADE@

@NAMES@
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
            */ | @IMAGES@)
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
    [[ $with_value == *" $flag "* || '@MIXED@' == *"/$command $flag/"* ]]
}

# Offers what the flag takes.
_imagecli_value() {
    case $1 in
@VALUES@
    esac
}

# Offers what the command takes as its argument of this number, from 0.
_imagecli_argument() {
    case $1 in
@ARGUMENTS@
    esac
}

# Offers the flags of the command.
_imagecli_flags() {
    case $1 in
@FLAGS@
    esac
}

_imagecli() {
    local with_value=' @WITH_VALUE@ '
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
        elif ((at == 0)) && [[ '@COMMANDS@' == *"/${command:+$command }$word/"* ]]; then
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
