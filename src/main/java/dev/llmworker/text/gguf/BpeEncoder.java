package dev.llmworker.text.gguf;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.text.TextEncoder;
import dev.llmworker.text.TextPieces;
import dev.llmworker.text.Vocabulary;
import dev.llmworker.text.Vocabulary.Kind;
import dev.llmworker.text.gguf.PreTokenizer.Rule;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/// BPE from a GGUF file's metadata, as used by GPT-2, Llama 3, Qwen, SmolLM and Gemma 4: writes the Hugging
/// Face `tokenizer.json` of the model.
///
/// Control tokens are not in its vocabulary, and the merges that would make one are left out: see
/// [HuggingFaceEncoder]. The JSON is written straight into a buffer, because a tree of a hundred thousand nodes
/// takes longer than the rest of the loading.
final class BpeEncoder {
    private final StringBuilder json = new StringBuilder(1 << 21);

    private BpeEncoder() {}

    /// @throws ModelFileException if merges and vocabulary do not match
    /// @param leastPiece the least length of the pieces in which a text is encoded
    static TextEncoder of(Metadata metadata, Vocabulary vocabulary, PreTokenizer preTokenizer, int leastPiece)
            throws IOException {
        var merges = merges(metadata);
        var json = json(vocabulary, merges, preTokenizer);
        var control = vocabulary.controlTokens().values().stream()
                .mapToInt(Integer::intValue)
                .toArray();
        var added = vocabulary.named(Kind.USER_DEFINED, Kind.CONTROL, Kind.UNKNOWN).keySet().stream()
                .map(name -> new TextPieces.Name(name, false))
                .toList();
        return new HuggingFaceEncoder(
                json,
                control,
                TextPieces.byRegexes(preTokenizer.patterns(), false, added, leastPiece, metadata.file()),
                metadata.file(),
                "tokenizer.ggml.merges and tokenizer.ggml.tokens do not make a tokenizer");
    }

    private static List<String> merges(Metadata metadata) throws ModelFileException {
        var key = "tokenizer.ggml.merges";
        var merges = metadata.strings(key);
        for (var rank = 0; rank < merges.size(); rank++) {
            var merge = merges.get(rank);
            var space = merge.indexOf(' ');
            if (space < 1 || space == merge.length() - 1 || merge.indexOf(' ', space + 1) >= 0) {
                throw new ModelFileException(
                        metadata.file(),
                        key + " entry " + rank + " is \"" + merge + "\"; expected two tokens with a space between");
            }
        }
        return merges;
    }

    /// @param merges pairs of token names separated by a space, in order of priority
    private static String json(Vocabulary vocabulary, List<String> merges, PreTokenizer preTokenizer) {
        var writer = new BpeEncoder();
        writer.json.append("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,");
        writer.addedTokens(vocabulary);
        writer.json
                .append(",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[")
                .append(String.join(",", HuggingFaceEncoder.UNGUARDING))
                .append(preTokenizer.has(Rule.COMPOSED) ? ",{\"type\":\"NFC\"}" : "")
                .append(preTokenizer.has(Rule.PIECES) ? "," + HuggingFaceEncoder.replacing(" ", "▁") : "")
                .append("]},");
        writer.preTokenizer(preTokenizer);
        writer.json.append(",\"post_processor\":null,\"decoder\":null,");
        writer.model(vocabulary, merges, preTokenizer);
        return writer.json.append('}').toString();
    }

    private void addedTokens(Vocabulary vocabulary) {
        var control = vocabulary.controlTokens().keySet();
        json.append("\"added_tokens\":[");
        for (var token : vocabulary.named(Kind.USER_DEFINED).entrySet()) {
            if (!control.contains(token.getKey())) {
                addedToken(token.getKey(), token.getValue(), false);
                json.append(',');
            }
        }
        var id = HuggingFaceEncoder.START_ID;
        addedToken(HuggingFaceEncoder.START, id, true);
        for (var name : control) {
            id++;
            json.append(',');
            addedToken(HuggingFaceEncoder.guardedName(name, id), id, true);
        }
        json.append(']');
    }

    private void addedToken(String name, int id, boolean special) {
        json.append("{\"id\":").append(id).append(",\"content\":");
        string(name);
        json.append(",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false");
        json.append(",\"special\":").append(special).append('}');
    }

    private void preTokenizer(PreTokenizer preTokenizer) {
        json.append("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[");
        var separator = "";
        for (var pattern : preTokenizer.patterns()) {
            json.append(separator).append("{\"type\":\"Split\",\"pattern\":{\"Regex\":");
            string(pattern);
            json.append("},\"behavior\":\"Isolated\",\"invert\":false}");
            separator = ",";
        }
        if (!preTokenizer.has(Rule.PIECES)) {
            json.append(separator).append("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true");
            json.append(",\"use_regex\":false}");
        }
        json.append("]}");
    }

    private void model(Vocabulary vocabulary, List<String> merges, PreTokenizer preTokenizer) {
        json.append("\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"fuse_unk\":false");
        json.append(",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null");
        json.append(",\"byte_fallback\":").append(preTokenizer.has(Rule.PIECES));
        json.append(",\"ignore_merges\":")
                .append(preTokenizer.has(Rule.WHOLE_WORDS))
                .append(",\"vocab\":{");
        var control = vocabulary.controlTokens().keySet();
        string(HuggingFaceEncoder.START);
        json.append(':').append(HuggingFaceEncoder.START_ID);
        for (var id = 0; id < vocabulary.size(); id++) {
            var name = vocabulary.name(id);
            if (!name.isEmpty() && !control.contains(name)) {
                json.append(',');
                string(name);
                json.append(':').append(id);
            }
        }
        json.append("},\"merges\":[");
        var separator = "";
        for (var merge : merges) {
            if (!names(merge, control)) {
                json.append(separator);
                string(merge);
                separator = ",";
            }
        }
        json.append("]}");
    }

    /// Whether a merge makes one of these tokens, or makes something of one.
    private static boolean names(String merge, Set<String> control) {
        var space = merge.indexOf(' ');
        var left = merge.substring(0, space);
        var right = merge.substring(space + 1);
        return control.contains(left + right) || control.contains(left) || control.contains(right);
    }

    private void string(String text) {
        json.append('"');
        // Nearly all names can be copied whole. That is ten times as fast before the JIT compiler has compiled
        // this.
        if (isPlain(text)) {
            json.append(text);
        } else {
            JsonStringEncoder.getInstance().quoteAsString(text, json);
        }
        json.append('"');
    }

    private static boolean isPlain(String text) {
        for (var i = 0; i < text.length(); i++) {
            var character = text.charAt(i);
            if (character < ' ' || character == '"' || character == '\\') {
                return false;
            }
        }
        return true;
    }
}
