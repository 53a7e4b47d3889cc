package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.UsesRegex;
import dev.llmworker.stats.Count;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
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
    public static final ApiKeys NONE = new ApiKeys(List.of(), null);

    private static final Logger LOG = LoggerFactory.getLogger(ApiKeys.class);
    private static final int MAX_CHARACTERS = 512;
    private static final char DELETE = 0x7F;
    private static final int SHORT_CHARACTERS = 16;
    private static final int LABEL_BYTES = 4;

    private final List<Key> listed;
    private final @Nullable KeyFile file;
    private volatile List<Key> keys;
    private volatile Runnable whenChanged = () -> {};

    /// @param label by which logs and metrics name it: the first eight digits of its SHA-256
    private record Key(byte[] hash, String label) {
        static Key of(String text) {
            var hash = sha256(text);
            return new Key(hash, HexFormat.of().formatHex(hash, 0, LABEL_BYTES));
        }
    }

    private ApiKeys(List<Key> listed, @Nullable KeyFile file) {
        this.listed = listed;
        this.file = file;
        this.keys = listed;
        if (file != null) {
            take(file.read());
        } else if (!listed.isEmpty()) {
            take(Set.of());
        }
    }

    /// @param list keys with commas between them; null for none
    /// @param file with a key a line; lines that begin with `#` are comments; null for none
    /// @throws IllegalArgumentException saying what is wrong with `list`, without the key
    public static ApiKeys of(@Nullable String list, @Nullable Path file) {
        if (list == null && file == null) {
            return NONE;
        }
        var listed = new ArrayList<Key>();
        for (var part : list == null ? new String[0] : list.split(",")) {
            var text = part.strip();
            if (text.isEmpty()) {
                continue;
            }
            var problem = problem(text);
            if (problem != null) {
                throw new IllegalArgumentException("key " + (listed.size() + 1) + " " + problem);
            }
            warnOfShort(text, "API_KEYS");
            listed.add(Key.of(text));
        }
        if (list != null && listed.isEmpty()) {
            throw new IllegalArgumentException("there is no key in it");
        }
        return new ApiKeys(List.copyOf(listed), file == null ? null : new KeyFile(file));
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
    boolean areWanted() {
        return !listed.isEmpty() || file != null;
    }

    /// The label of the key among `candidates` that is good; null if none is. The time it takes says nothing about
    /// the keys: all are looked at, and hashes compared.
    @Nullable
    String label(List<String> candidates) {
        String label = null;
        for (var candidate : candidates) {
            var hash = sha256(candidate);
            for (var key : keys) {
                if (MessageDigest.isEqual(hash, key.hash())) {
                    label = key.label();
                }
            }
        }
        return label;
    }

    /// Whether a key of this label is good still.
    public boolean has(String label) {
        return keys.stream().anyMatch(key -> key.label().equals(label));
    }

    /// Called when the keys have changed, on the thread that saw it.
    public void whenChanged(Runnable listener) {
        if (file != null) {
            whenChanged = listener;
        }
    }

    /// Looks at the file. It may wait for the disk.
    public void refresh() {
        if (file != null && file.hasChanged()) {
            take(file.read());
            whenChanged.run();
        }
    }

    private void take(Set<String> ofFile) {
        var all = new ArrayList<>(listed);
        ofFile.stream().map(Key::of).forEach(all::add);
        keys = List.copyOf(all);
        LOG.info(
                "{}: {}",
                Count.of(all.size(), "API key"),
                all.stream().map(Key::label).collect(Collectors.joining(" ")));
    }

    private static byte[] sha256(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
