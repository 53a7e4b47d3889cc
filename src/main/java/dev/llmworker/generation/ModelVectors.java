package dev.llmworker.generation;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;

/// A generator whose model may make vectors of texts instead: embeddings, or what scores documents.
///
/// Threading: any thread.
public interface ModelVectors {
    /// @throws RefusedException if the model is not loaded, or is served for another task
    void checkServes(Task task);

    /// Whether [#vectors] would accept texts now, so that none are encoded in vain.
    ///
    /// @param share whose they are
    /// @throws RefusedException as [#vectors] would
    void checkAccepts(Share share);

    /// Values of a vector.
    int dimensions();

    /// How many token ids the model has; they start at 0.
    int vocabularySize();

    /// The most tokens of a text.
    int longestText();

    /// Runs the encoding of all texts of a request. If one of them is long, it runs on threads for such work, so that
    /// other requests go on.
    ///
    /// @param characters of the longest text
    /// @return as [ModelTokens#encode]
    /// @throws RefusedException if too many requests with long texts wait
    <T> Future<T> encode(long characters, Callable<T> encoding);

    /// The tokens of a text, with those that the tokenizer puts around it.
    ///
    /// @param name what errors call it
    int[] encodeText(String name, String text);

    /// The first tokens of the question whether a document answers a query. Those of [#encodeDocument] follow.
    ///
    /// @param instruction what the query is for
    int[] encodeQuery(String instruction, String query);

    /// The other tokens of this question.
    ///
    /// @param name what errors call it
    int[] encodeDocument(String name, String document);

    /// Accepts texts, each of 1 to [#longestText] tokens, and starts to work on them. The caller must close the answer.
    ///
    /// @param share whose they are
    /// @throws RefusedException if the request cannot be served, now or ever
    Answer<VectorEvent> vectors(List<int[]> texts, Share share);
}
