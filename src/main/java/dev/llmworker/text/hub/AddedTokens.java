package dev.llmworker.text.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.llmworker.text.hub.TokenizerFile.Added;
import dev.llmworker.weights.content.ModelFileException;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// The added tokens as transformers has them: those of `tokenizer.json`, then those that other files add or change.
///
/// transformers does not use the ids of other files. A token has its id in the vocabulary, or else the next free one.
final class AddedTokens {
    private final TokenizerFile file;
    private final Map<String, Added> tokens;

    private AddedTokens(TokenizerFile file) {
        this.file = file;
        tokens = new LinkedHashMap<>(file.added());
        tokens.replaceAll((name, token) -> token.withId(file.vocabulary().getOrDefault(name, token.id())));
    }

    static Map<String, Added> of(TokenizerFile file, HubSettings settings) throws ModelFileException {
        var added = new AddedTokens(file);
        var special = settings.declaredSpecial();
        if (settings.tokenizer().has("added_tokens_decoder")) {
            for (var token : decoder(settings).values()) {
                var name = token.path("content").asText();
                if (!name.isEmpty()) {
                    added.put(name, token, special.containsKey(name));
                }
            }
        } else {
            for (var name : older(settings)) {
                added.putIfMissing(name, MissingNode.getInstance(), special.containsKey(name));
            }
        }
        for (var token : special.entrySet()) {
            // A word of the vocabulary stays a word.
            if (!file.words().contains(token.getKey())) {
                added.putIfMissing(token.getKey(), token.getValue(), true);
            }
        }
        return Collections.unmodifiableMap(added.tokens);
    }

    /// The tokens of `added_tokens_decoder`, by their ids.
    private static Map<Integer, JsonNode> decoder(HubSettings settings) throws ModelFileException {
        var tokens = new TreeMap<Integer, JsonNode>();
        for (var token : settings.tokenizer().get("added_tokens_decoder").properties()) {
            try {
                tokens.put(Integer.parseInt(token.getKey()), token.getValue());
            } catch (NumberFormatException e) {
                throw settings.tokenizer()
                        .problem("added_tokens_decoder", "has the id \"" + token.getKey() + "\"; expected a number");
            }
        }
        return tokens;
    }

    /// The names in `added_tokens.json`, which older files have instead, in the order of their ids.
    private static List<String> older(HubSettings settings) {
        return settings.added().root().properties().stream()
                .sorted(Comparator.comparingInt(token -> token.getValue().asInt()))
                .map(Map.Entry::getKey)
                .toList();
    }

    private void putIfMissing(String name, JsonNode attributes, boolean special) throws ModelFileException {
        var known = tokens.get(name);
        if (known == null) {
            put(name, attributes, special);
        } else if (special) {
            tokens.put(name, known.asSpecial());
        }
    }

    private void put(String name, JsonNode attributes, boolean special) throws ModelFileException {
        var known = tokens.get(name);
        tokens.put(
                name,
                Added.of(
                        known == null ? id(name) : known.id(),
                        special
                                || known != null && known.special()
                                || attributes.path("special").asBoolean(),
                        attributes));
    }

    private int id(String name) throws ModelFileException {
        var known = file.vocabulary().get(name);
        if (known != null) {
            return known;
        }
        var highest = tokens.values().stream().mapToInt(Added::id).max().orElse(-1);
        return file.checkedId(
                "added_tokens", name, Math.max(highest + 1L, file.vocabulary().size()));
    }
}
