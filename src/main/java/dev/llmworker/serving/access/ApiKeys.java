package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.UsesRegex;
import dev.llmworker.stats.Count;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The keys that clients must have one of: those of a list, and those of a file, which is read again when it changes.
/// Only their hashes are kept.
///
/// Threading: any thread.
@UsesRegex("the variable API_KEYS")
public final class ApiKeys {
    /// Nothing is asked for.
    public static final ApiKeys NONE = new ApiKeys("API key", Set.of(), null);

    private static final Logger LOG = LoggerFactory.getLogger(ApiKeys.class);
    private static final int MAX_CHARACTERS = 512;
    private static final char DELETE = 0x7F;
    private static final int SHORT_CHARACTERS = 16;
    private static final int MAX_LOGGED = 20;

    private final String kind;
    private final Set<ApiKey> listed;
    private final @Nullable KeyFile file;
    private volatile Map<ApiKey, KeyLimits> keys = Map.of();
    private volatile Runnable whenChanged = () -> {};

    private ApiKeys(String kind, Set<ApiKey> listed, @Nullable KeyFile file) {
        this.kind = kind;
        this.listed = listed;
        this.file = file;
        if (file != null) {
            take(file.first());
        } else if (!listed.isEmpty()) {
            take(KeyFile.Content.NOTHING);
        }
    }

    /// @param list keys with commas between them; null for none
    /// @param file with a key on each line, and its limits; lines that begin with `#` are comments; null for none
    /// @throws IllegalArgumentException saying what is wrong with `list`, without the key
    public static ApiKeys of(@Nullable String list, @Nullable Path file) {
        if (list == null && file == null) {
            return NONE;
        }
        return new ApiKeys("API key", listed("API_KEYS", list), file == null ? null : new KeyFile(file));
    }

    /// As [#of], for `METRICS_KEYS`.
    public static ApiKeys forMetrics(@Nullable String list) {
        return list == null ? NONE : new ApiKeys("metrics key", listed("METRICS_KEYS", list), null);
    }

    private static Set<ApiKey> listed(String setting, @Nullable String list) {
        var listed = new LinkedHashSet<ApiKey>();
        for (var part : list == null ? new String[0] : list.split(",")) {
            var text = part.strip();
            if (text.isEmpty()) {
                continue;
            }
            var problem = problem(text);
            if (problem != null) {
                throw new IllegalArgumentException("key " + (listed.size() + 1) + " " + problem);
            }
            warnOfShort(text, setting);
            listed.add(ApiKey.of(text));
        }
        if (list != null && listed.isEmpty()) {
            throw new IllegalArgumentException("there is no key in it");
        }
        return listed;
    }

    /// What is wrong with a key, without the key; null if it is one.
    static @Nullable String problem(String text) {
        if (text.length() > MAX_CHARACTERS) {
            return "has " + text.length() + " characters; the limit is " + MAX_CHARACTERS;
        }
        for (var i = 0; i < text.length(); i++) {
            var wrong = problem(text.charAt(i));
            if (wrong != null) {
                return "has " + wrong + " at character " + (i + 1) + "; a key is ASCII without blanks and commas";
            }
        }
        return null;
    }

    private static @Nullable String problem(char character) {
        if (character == ',') {
            return "a comma";
        }
        if (Character.isWhitespace(character)) {
            return "a blank";
        }
        // Invisible ones, too: only their number helps.
        return character > ' ' && character < DELETE ? null : String.format(Locale.ROOT, "U+%04X", (int) character);
    }

    static void warnOfShort(String key, String source) {
        if (key.length() < SHORT_CHARACTERS) {
            LOG.warn(
                    "{} has a key of {}; shorter than {} it can be guessed",
                    source,
                    Count.of(key.length(), "character"),
                    SHORT_CHARACTERS);
        }
    }

    /// Whether clients must have a key at all. It stays so when there is none left that is good.
    public boolean areWanted() {
        return !listed.isEmpty() || file != null;
    }

    /// The first of `candidates` that is accepted; null if none is. Hashes are looked up, so neither the number of keys
    /// nor how much of one a client has guessed shows in the time that it takes.
    @Nullable
    ApiKey find(List<String> candidates) {
        var accepted = keys;
        for (var candidate : candidates) {
            var key = ApiKey.of(candidate);
            if (accepted.containsKey(key)) {
                return key;
            }
        }
        return null;
    }

    /// Whether a key is still accepted.
    public boolean has(@Nullable ApiKey key) {
        return key != null && keys.containsKey(key);
    }

    /// What a key may use. One that is not accepted any more has no limits: nobody gets in by it.
    KeyLimits limits(ApiKey key) {
        return keys.getOrDefault(key, KeyLimits.NONE);
    }

    /// Called when the keys have changed, on the thread that saw it.
    public void whenChanged(Runnable listener) {
        if (file != null) {
            whenChanged = listener;
        }
    }

    /// Looks at the file. It may wait for the disk.
    public void refresh() {
        var changed = file == null ? null : file.changed();
        if (changed != null) {
            take(changed);
            whenChanged.run();
        }
    }

    private void take(KeyFile.Content ofFile) {
        var all = new LinkedHashMap<ApiKey, KeyLimits>();
        listed.forEach(key -> all.put(key, KeyLimits.NONE));
        ofFile.keys().forEach((key, limits) -> all.put(ApiKey.of(key), limits));
        ofFile.rejected().forEach(key -> all.remove(ApiKey.of(key)));
        keys = Map.copyOf(all);
        LOG.info(
                "{}: {}{}",
                Count.of(all.size(), kind),
                all.keySet().stream().limit(MAX_LOGGED).map(ApiKey::label).collect(Collectors.joining(" ")),
                all.size() > MAX_LOGGED ? " …" : "");
    }
}
