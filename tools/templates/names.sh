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
    command awk -v root="$root" -v known="$*" '@AWK@' <"$config" 2>/dev/null
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
        command awk -v form=$form '@IDS@' <"$file" 2>/dev/null
        return 0
    done
}
