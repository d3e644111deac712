/** The rules that most collections share, each closed to guests: their empty id must never match an empty field. */
export const signedIn = '@request.auth.id != ""'
export const owner = `${signedIn} && user_id = @request.auth.id`
export const ownerOrAgent = `${signedIn} && (user_id = @request.auth.id || agent_id = @request.auth.id)`
