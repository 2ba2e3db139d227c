/**
 * Says where on a context the variables of several modules live, which is one flat object.
 *
 * A variable has its own name there, unless another module, or another namespace, has that already: then its owner
 * goes in front of it. So the private `_x` of two modules are two, and what one exports another imports.
 */
export class ContextSlots {
  private readonly owners = new Map<string, string>()

  /** @param owner the module of a private variable, the namespace of an exported one */
  slot(owner: string, name: string): string {
    const holder = this.owners.get(name)
    if (holder !== undefined && holder !== owner) return `${owner}.${name}`
    this.owners.set(name, owner)
    return name
  }
}
