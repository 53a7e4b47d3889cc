package dev.llmworker.text;

import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/// The tokens of a model and their kinds.
///
/// Threading: any thread.
public final class Vocabulary {
    /// The kinds of tokens, in the order of GGUF's `tokenizer.ggml.token_type`.
    public enum Kind {
        UNDEFINED,
        NORMAL,
        UNKNOWN,
        CONTROL,
        USER_DEFINED,
        UNUSED,
        BYTE
    }

    private static final List<Kind> KINDS = List.of(Kind.values());

    /// Longer than the names of all known models. What looks for names in a text, or merges it, takes a time that is
    /// a multiple of the longest one.
    private static final int MAX_NAME = 1024;
    /// Of tokens that are looked for in texts.
    private static final int MAX_SOUGHT_NAME = 256;

    private final List<String> names;
    private final Kind[] kinds;
    private final BitSet endOfSequence;
    private final Map<String, Integer> controlTokens;
    private final Set<String> unusable;

    /// @param file for messages
    /// @param names by id; empty for ids without a name
    /// @param kinds by id
    /// @param unusable the names of control tokens without an embedding
    /// @throws ModelFileException if a name is too long
    public Vocabulary(Path file, List<String> names, Kind[] kinds, BitSet endOfSequence, Set<String> unusable)
            throws ModelFileException {
        for (var id = 0; id < kinds.length; id++) {
            var isSought = kinds[id] == Kind.CONTROL || kinds[id] == Kind.UNKNOWN || kinds[id] == Kind.USER_DEFINED;
            var limit = isSought ? MAX_SOUGHT_NAME : MAX_NAME;
            if (names.get(id).length() > limit) {
                throw new ModelFileException(
                        file,
                        "the name of token " + id + " has " + names.get(id).length() + " characters; supported: up to "
                                + limit + (isSought ? " for tokens that are looked for in texts" : ""));
            }
        }
        this.unusable = unusable;
        this.names = names;
        this.kinds = kinds;
        this.endOfSequence = endOfSequence;
        controlTokens = Collections.unmodifiableMap(named(Kind.CONTROL, Kind.UNKNOWN));
    }

    /// @throws ModelFileException if a GGUF file's metadata contradict themselves
    public static Vocabulary of(Metadata metadata) throws ModelFileException {
        var names = metadata.strings("tokenizer.ggml.tokens");
        if (names.isEmpty()) {
            throw new ModelFileException(metadata.file(), "tokenizer.ggml.tokens is empty");
        }
        var kinds = kinds(metadata, names.size());
        var endOfSequence = EndOfSequenceTokens.byName(names);
        var merges =
                metadata.has("tokenizer.ggml.merges") ? metadata.strings("tokenizer.ggml.merges") : List.<String>of();
        for (var id : endOfSequence.stream().toArray()) {
            if (kinds[id] == Kind.NORMAL && isMerged(merges, names.get(id))) {
                endOfSequence.clear(id);
            }
        }
        // Some files do not mark these as control tokens. As text they would show in answers, and users could
        // forge them.
        endOfSequence.stream().forEach(id -> kinds[id] = Kind.CONTROL);
        endOfSequence.or(EndOfSequenceTokens.byKey(metadata, names.size()));
        return new Vocabulary(metadata.file(), names, kinds, endOfSequence, Set.of());
    }

    private static Kind[] kinds(Metadata metadata, int size) throws ModelFileException {
        var key = "tokenizer.ggml.token_type";
        var kinds = new Kind[size];
        if (!metadata.has(key)) {
            Arrays.fill(kinds, Kind.NORMAL);
            return kinds;
        }
        var types = metadata.integers(key);
        requireOnePerToken(metadata, key, types.length, size);
        for (var id = 0; id < size; id++) {
            if (types[id] < 0 || types[id] >= KINDS.size()) {
                throw new ModelFileException(
                        metadata.file(),
                        key + " of token " + id + " is " + types[id] + "; expected 0 to " + (KINDS.size() - 1));
            }
            kinds[id] = KINDS.get(types[id]);
        }
        return kinds;
    }

    /// A token that merges produce was learnt from text and is a word: Qwen2's `</s>` comes from web pages.
    private static boolean isMerged(List<String> merges, String name) {
        return merges.stream()
                .anyMatch(merge -> merge.length() == name.length() + 1
                        && merge.replace(" ", "").equals(name));
    }

    public static void requireOnePerToken(Metadata metadata, String key, int entries, int tokens)
            throws ModelFileException {
        if (entries != tokens) {
            throw new ModelFileException(
                    metadata.file(), key + " has " + entries + " entries; tokenizer.ggml.tokens has " + tokens);
        }
    }

    /// The token that `key` names, if the file has the key.
    ///
    /// @throws ModelFileException if there is no such token
    public static OptionalInt special(Metadata metadata, String key, int size) throws ModelFileException {
        if (!metadata.has(key)) {
            return OptionalInt.empty();
        }
        var id = metadata.integer(key);
        if (id < 0 || id >= size) {
            throw new ModelFileException(
                    metadata.file(), key + " is " + id + "; the vocabulary has tokens 0 to " + (size - 1));
        }
        return OptionalInt.of(id);
    }

    /// The ids of the tokens of some kinds, by name; if a name occurs twice, the first.
    public Map<String, Integer> named(Kind first, Kind... others) {
        var found = new LinkedHashMap<String, Integer>();
        var wanted = EnumSet.of(first, others);
        for (var id = 0; id < kinds.length; id++) {
            if (wanted.contains(kinds[id]) && !names.get(id).isEmpty()) {
                found.putIfAbsent(names.get(id), id);
            }
        }
        return found;
    }

    public int size() {
        return kinds.length;
    }

    public String name(int id) {
        return names.get(id);
    }

    Kind kind(int id) {
        return kinds[id];
    }

    public boolean isControl(int id) {
        return kinds[id] == Kind.CONTROL || kinds[id] == Kind.UNKNOWN;
    }

    boolean isEndOfSequence(int id) {
        return endOfSequence.get(id);
    }

    Set<String> unusable() {
        return unusable;
    }

    public Map<String, Integer> controlTokens() {
        return controlTokens;
    }
}
