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
