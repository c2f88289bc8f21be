# fish completion for imagecli. @MADE@

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
    and command awk -v root=$argv[1] -v known="$argv[2..]" @AWK@ <$config 2>/dev/null
end

# Prints the words, and the names that the config file has besides, below the root that the first argument names.
function __imagecli_words_and_names
    string join -- \n $argv[2..]
    __imagecli_names $argv
end

# Prints folders and pictures; where there are none, any file.
function __imagecli_images
    set -l token (string replace -r -- '^(--[^=]*=|-[^-@LETTERS@]*[@LETTERS@])' '' (commandline -ct))
    set -l files (complete -C "__imagecli_of_no_command $token" | string replace -r '\t.*' '')
    set -l images (string match -ir -- '^.*(?:/|\.(?:@IMAGES@))$' $files)
    set -q images[1]
    or set images $files
    string join -- \n $images
end

# Prints the newest images of the ledger behind an @, else files.
function __imagecli_inputs
    if string match -qr '^(--[^=]*=|-[^-@LETTERS@]*[@LETTERS@])?@' -- (commandline -ct)
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
        command awk -v form=$form[2] @IDS@ <$file 2>/dev/null
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
        else if string match -qr '^-[^-@LETTERS@]*[@LETTERS@]$' -- $word; or contains -- $word @LONG@; or contains -- "$typed[1..2] $word" @MIXED@
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
@LINES@
